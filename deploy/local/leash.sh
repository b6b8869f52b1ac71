#!/bin/sh
# leash.sh command [argument ...]
# Runs a command and kills this whole process group when standard input ends, which is when the supervisor is gone,
# however it went. The supervisor starts this as the leader of a new group. A shell, because it must stay small and
# must work alike for nats-server, which knows nothing of all this. The command's process id goes to descriptor 3.
exec 4<&0 </dev/null
"$@" 3>&- 4<&- &
child=$!
echo "$child" >&3
exec 3>&-
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
(
  trap '' TERM INT HUP
  read -r nothing <&4
  kill -KILL 0
) >/dev/null 2>&1 &
watcher=$!
exec 4<&-
while :; do
  wait "$child"
  status=$?
  # A trap ends `wait` early; a child that is still there is waited for again.
  kill -0 "$child" 2>/dev/null || break
done
kill -KILL "$watcher" 2>/dev/null
exit "$status"
