/**
 * A daemon for the tests of the guard: starts the child that its arguments name under a guard, tells the child's
 * process id on stdout, and then lives until it is killed. Arguments: silence in ms, command, its arguments.
 */
import { startChild } from '../../gpu-agent/process/child.ts';

const [silence, command, ...args] = process.argv.slice(2);
const child = startChild({ command: command!, args, cwd: process.cwd(), env: process.env, silenceMs: Number(silence), onEvent() {}, onLog() {} });
console.log(await child.pid);
process.stdin.on('data', (order) => {
  if (String(order).startsWith('stop')) child.stop();
});
await child.exited;
process.exit(0);
