"""Events to the agent: JSON lines on a file descriptor of their own, so that no library's print can mix with them."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

FD_VARIABLE = "FORGE_TRAINER_EVENTS_FD"
DEFAULT_FD = 3


class EventStream:
    """Writes one JSON object a line; safe to call from several threads.

    When nobody reads any more (the agent died) the process ends: its work could reach no one.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls) -> EventStream:
        """The descriptor named by FORGE_TRAINER_EVENTS_FD (default 3); standard output where that one is not open."""
        given = os.environ.get(FD_VARIABLE, "")
        fd = int(given) if given.isdecimal() else DEFAULT_FD
        try:
            os.fstat(fd)
        except OSError:
            fd = sys.stdout.fileno()
        else:
            os.set_inheritable(fd, False)
        return cls(fd)

    def send(self, type_: str, **fields: Any) -> None:
        """Writes {"type": type_, ...fields}; fields that are None are left out (not measured means absent)."""
        event = {"type": type_, **{key: value for key, value in fields.items() if value is not None}}
        data = (json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
        with self._lock:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._fd, view) :]
            except BrokenPipeError:
                print("trainer: nobody reads the events any more; ending", file=sys.stderr, flush=True)
                os._exit(1)

    def phase(self, name: str, message: str | None = None) -> None:
        """Says which part of the work begins."""
        self.send("phase", phase=name, message=message)

    def progress(self, fraction: float, message: str) -> None:
        """Says how much of the command is done, 0 to 1."""
        self.send("progress", fraction=round(min(max(fraction, 0.0), 1.0), 4), message=message)

    def result(self, fields: Mapping[str, Any]) -> None:
        """The command's outcome; the last event of a run that ends with exit code 0."""
        self.send("result", **fields)
