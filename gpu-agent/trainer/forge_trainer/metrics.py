"""What a training run measures: an event and a line of metrics.jsonl for each optimizer step and evaluation."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

from .events import EventStream

ETA_STEPS = 20  # the time left is told from the mean of that many last steps


class Metrics:
    """Counts tokens and time, sends the events, and keeps the lines for metrics.jsonl.

    Times and counts go on from a checkpoint's `progress`, so they are those of the whole run.
    """

    def __init__(self, events: EventStream, total_steps: int, progress: dict[str, Any], lines: str = "") -> None:
        self._events = events
        self._total_steps = total_steps
        self._lines = [line for line in lines.splitlines() if line]
        self.tokens_seen: int = progress.get("tokens_seen", 0)  # completion tokens
        self.all_tokens: int = progress.get("all_tokens", 0)  # every token but padding
        self._seconds_before: float = progress.get("seconds", 0.0)
        self._started = self._step_began = time.monotonic()
        self._step_tokens = 0
        self._step_completion = 0
        self._recent: deque[float] = deque(maxlen=ETA_STEPS)

    @property
    def seconds(self) -> float:
        """Time spent training and evaluating, over all attempts."""
        return self._seconds_before + time.monotonic() - self._started

    def progress(self) -> dict[str, Any]:
        """What a checkpoint keeps of the counts."""
        return {"tokens_seen": self.tokens_seen, "all_tokens": self.all_tokens, "seconds": self.seconds}

    def text(self) -> str:
        """The lines so far, as metrics.jsonl."""
        return "".join(f"{line}\n" for line in self._lines)

    def begin(self) -> None:
        """Starts the clock of the first step (loading is not training)."""
        self._started = self._step_began = time.monotonic()

    def batch(self, all_tokens: int, completion_tokens: int) -> None:
        """Counts a micro-step's tokens; they are added to the totals when its optimizer step is done."""
        self._step_tokens += all_tokens
        self._step_completion += completion_tokens

    def step(self, step: int, epoch: float, loss: float, learning_rate: float, grad_norm: float) -> None:
        """Sends the metrics of an optimizer step."""
        now = time.monotonic()
        took = max(now - self._step_began, 1e-9)
        self._recent.append(took)
        self.tokens_seen += self._step_completion
        self.all_tokens += self._step_tokens
        fields = {
            "step": step,
            "epoch": round(epoch, 6),
            "loss": loss,
            "learning_rate": learning_rate,
            "grad_norm": grad_norm,
            "tokens_per_second": round(self._step_tokens / took, 1),
            "eta_seconds": round((self._total_steps - step) * sum(self._recent) / len(self._recent), 1),
            "tokens_seen": self.tokens_seen,
        }
        self._step_tokens = self._step_completion = 0
        self._step_began = now
        self._record("metrics", fields)

    def evaluation(self, step: int, epoch: float, summary: dict[str, Any]) -> None:
        """Sends a held-out evaluation. Its time does not count for the next step's tokens per second."""
        self._record("evaluation", {"step": step, "epoch": round(epoch, 6), **summary})
        self._step_began = time.monotonic()

    def _record(self, type_: str, fields: dict[str, Any]) -> None:
        self._lines.append(json.dumps({"type": type_, **fields}, allow_nan=False))
        self._events.send(type_, **fields)

    def epoch_losses(self, steps_per_epoch: int, last_step: int) -> list[float]:
        """The step losses of the epoch that `last_step` lies in."""
        first = (last_step - 1) // steps_per_epoch * steps_per_epoch
        records = (json.loads(line) for line in self._lines)
        return [r["loss"] for r in records if r["type"] == "metrics" and r["step"] > first]

    def last_loss(self) -> float | None:
        """The loss of the last optimizer step, or None before the first."""
        for line in reversed(self._lines):
            record = json.loads(line)
            if record["type"] == "metrics":
                return float(record["loss"])
        return None
