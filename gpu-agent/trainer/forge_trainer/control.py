"""What the agent asks of a running trainer: pause and cancel, by JSON lines on stdin or by signal."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_PAUSED = 75
EXIT_CANCELLED = 76

# A command is a short line; a longer one is not from the agent.
MAX_LINE_BYTES = 64 * 1024


class StopRequested(Exception):
    """Raised in the main thread where work can stop cleanly after a pause was asked for."""


class Control:
    """Reads commands in a thread. Cancel ends the process at once; pause sets a flag that work looks at.

    `on_pause`, where set, is called instead for work that has nothing to save; it does not return.
    """

    def __init__(self) -> None:
        self._pause = threading.Event()
        self.on_pause: Callable[[], None] | None = None

    def listen(self) -> None:
        """Starts reading stdin and takes SIGTERM and SIGINT as pause. Call from the main thread."""
        signal.signal(signal.SIGTERM, lambda *_: self._ask_pause())
        signal.signal(signal.SIGINT, lambda *_: self._ask_pause())
        threading.Thread(target=self._read, name="control", daemon=True).start()
        threading.Thread(target=self._await_pause, name="pause", daemon=True).start()

    def check(self) -> None:
        """Raises StopRequested when a pause was asked for."""
        if self._pause.is_set():
            raise StopRequested

    def _ask_pause(self) -> None:
        self._pause.set()

    def _await_pause(self) -> None:
        # In a thread, never in the signal handler: the handler may interrupt the main thread inside a lock.
        self._pause.wait()
        if self.on_pause is not None:
            self.on_pause()

    def _read(self) -> None:
        # The raw descriptor: a daemon thread blocked in sys.stdin's buffer lock would abort the interpreter's exit.
        pending = b""
        while True:
            try:
                chunk = os.read(0, 4096)
            except OSError:
                return
            if not chunk:
                return  # The agent closed its end; a guard outside watches over the agent's death.
            *lines, pending = (pending + chunk).split(b"\n")
            if len(pending) > MAX_LINE_BYTES:
                pending = b""
            for line in lines:
                self._obey(line)

    def _obey(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            command = json.loads(line).get("command")
        except (ValueError, AttributeError):
            command = None
        if command == "pause":
            self._ask_pause()
        elif command == "cancel":
            os._exit(EXIT_CANCELLED)
        else:
            print(f"trainer: unknown control line ignored: {line[:200]!r}", file=sys.stderr, flush=True)
