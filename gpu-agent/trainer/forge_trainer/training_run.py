"""One training run at work: evaluations, early stopping, checkpoints, and the stop between micro-steps."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import adapter
from .chat_rows import Row
from .checkpoint import Checkpoint, save_checkpoint
from .configs import TrainConfig
from .control import Control, StopRequested
from .epoch_sampler import EpochSampler
from .errors import TrainerError
from .events import EventStream
from .heldout import heldout_loss
from .metrics import Metrics
from .prepare_model import Prepared

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Plan:
    """How many optimizer steps: the last, partial accumulation of an epoch counts as one."""

    steps_per_epoch: int
    total_steps: int

    @classmethod
    def of(cls, config: TrainConfig, rows: Sequence[Row]) -> Plan:
        """The plan for these training rows."""
        batches = -(-len(rows) // config.batch_size)
        per_epoch = -(-batches // config.gradient_accumulation)
        if config.max_tokens is not None:
            return cls(per_epoch, _steps_for_tokens(config, rows, config.max_tokens))
        return cls(per_epoch, config.max_steps if config.max_steps is not None else per_epoch * config.epochs)


def _steps_for_tokens(config: TrainConfig, rows: Sequence[Row], max_tokens: int) -> int:
    """The first optimizer step by whose end `max_tokens` of the counted tokens were seen, in the sampler's order."""
    counts = [len(row.input_ids) if config.max_tokens_of == "all" else row.completion_tokens for row in rows]
    sampler = EpochSampler([len(row.input_ids) for row in rows], config.rows_in_order, config.seed)
    rows_per_step = config.batch_size * config.gradient_accumulation
    steps = seen = 0
    while True:
        order = list(sampler)
        for at in range(0, len(order), rows_per_step):
            steps += 1
            seen += sum(counts[index] for index in order[at : at + rows_per_step])
            if seen >= max_tokens:
                return steps
        sampler.epoch += 1


class TrainingRun:
    """Joins the trainer with what happens around its steps.

    `heldout` is the last evaluation, with early stopping the best one, whose adapter is `best`.
    """

    def __init__(
        self,
        config: TrainConfig,
        events: EventStream,
        control: Control,
        plan: Plan,
        prepared: Prepared,
        heldout_rows: list[Row] | None,
        fingerprint: dict[str, Any],
        checkpoint: Checkpoint | None,
    ) -> None:
        progress = checkpoint.progress if checkpoint else {}
        self.metrics = Metrics(events, plan.total_steps, progress, checkpoint.metrics if checkpoint else "")
        self.heldout: dict[str, Any] | None = progress.get("heldout")
        self.best: adapter.Tensors | None = checkpoint.best if checkpoint else None
        self._evaluated_step: int | None = progress.get("evaluated_step")
        self._worse: int = progress.get("worse", 0)
        self._config = config
        self._events = events
        self._control = control
        self._plan = plan
        self._prepared = prepared
        self._rows = heldout_rows
        self._fingerprint = fingerprint
        self._checkpoint = checkpoint
        self._saved_at = time.monotonic()
        self.trainer: Any = None

    def attach(self, trainer: Any) -> None:
        """The trainer whose state this run saves."""
        self.trainer = trainer

    @property
    def step(self) -> int:
        """Optimizer steps done, over all attempts."""
        resumed = self._checkpoint.step if self._checkpoint else 0
        return max(resumed, self.trainer.state.global_step)

    @property
    def epoch(self) -> float:
        """Epochs done, with the fraction of the present one."""
        resumed = self._checkpoint.epoch if self._checkpoint else 0.0
        return max(resumed, float(self.trainer.state.epoch or 0.0))

    def execute(self) -> None:
        """Trains to the end and evaluates; a pause leaves a checkpoint, tells of it and raises StopRequested."""
        self.metrics.begin()
        self._saved_at = time.monotonic()
        try:
            at_epoch_end = self.step > 0 and self.step % self._plan.steps_per_epoch == 0
            over = at_epoch_end and self.step < self._plan.total_steps and self.after_epoch()
            if not over:
                self.trainer.resume_or_start()
            self._evaluate()
        except StopRequested:
            if self._checkpoint is not None and self.step == self._checkpoint.step:
                stop_unchanged(self._events, self._checkpoint)
            else:
                if self.step > 0:
                    self._save()
                self._events.send("stopped", step=self.step)
            raise

    # What the trainer calls.

    def before_micro_step(self) -> None:
        """Stops here when a pause was asked for."""
        self._control.check()

    def after_step(self) -> None:
        """Saves a checkpoint where one is due; after the last step there is nothing to go on with."""
        if self.step < self._plan.total_steps and self._checkpoint_due():
            self._save()

    def after_epoch(self) -> bool:
        """Evaluates where asked; True when training should stop early."""
        if self._config.evaluate_every_epoch:
            self._evaluate()
        patience = self._config.early_stopping_patience
        return patience is not None and self._worse >= patience

    # Inner parts.

    def _checkpoint_due(self) -> bool:
        every = self._config.checkpoint_every_steps
        if every is not None:
            return self.step % every == 0
        age = time.monotonic() - self._saved_at
        return self.step % self._plan.steps_per_epoch == 0 or age >= self._config.checkpoint_every_seconds

    def _evaluate(self) -> None:
        if self._rows is None or self._evaluated_step == self.step:
            return
        self._events.phase("evaluating")
        measured = heldout_loss(
            self._prepared.model,
            self._rows,
            self._config.batch_size,
            self.trainer.processing_class.pad_token_id,
            lambda _: self._control.check(),
        )
        if not math.isfinite(measured.loss):
            raise TrainerError(
                "non_finite_loss",
                f"the held-out loss became {measured.loss} after step {self.step}; "
                "lower learning_rate and look at the data",
            )
        summary = measured.summary()
        self._evaluated_step = self.step
        self.metrics.evaluation(self.step, self.epoch, summary)
        if self._config.early_stopping_patience is None:
            self.heldout = summary
        elif self.heldout is None or summary["loss"] < self.heldout["loss"]:
            self.heldout, self._worse = summary, 0
            self.best = adapter.take_tensors(self._prepared.model)
        else:
            self._worse += 1
        self._events.phase("training")

    def _save(self) -> None:
        began = time.monotonic()
        trainer = self.trainer
        present = adapter.take_tensors(self._prepared.model)
        # The loss that would tell of it is the next step's.
        adapter.require_finite(present, self.step)
        path = save_checkpoint(
            Path(self._config.output_dir) / CHECKPOINTS,
            step=self.step,
            epoch=self.epoch,
            fingerprint=self._fingerprint,
            progress={
                **self.metrics.progress(),
                "heldout": self.heldout,
                "evaluated_step": self._evaluated_step,
                "worse": self._worse,
            },
            adapter=present,
            initial=self._prepared.initial,
            best=self.best,
            optimizer=trainer.optimizer.state_dict(),
            scheduler=trainer.lr_scheduler.state_dict(),
            random=trainer.random,
            trainer_state=trainer.state,
            metrics=self.metrics.text(),
        )
        self._saved_at = time.monotonic()
        took = self._saved_at - began
        _tell(self._events, path, self.step, self.epoch, self.metrics.last_loss(), took)


def stop_unchanged(events: EventStream, checkpoint: Checkpoint | None) -> None:
    """Tells of a stop before anything new was done: the checkpoint to go on from is the one given, if any."""
    if checkpoint is not None:
        _tell(events, checkpoint.directory, checkpoint.step, checkpoint.epoch, None, 0.0)
    events.send("stopped", step=checkpoint.step if checkpoint else 0)


def _tell(events: EventStream, path: Path, step: int, epoch: float, loss: float | None, seconds: float) -> None:
    events.send(
        "checkpoint", path=str(path.resolve()), step=step, epoch=round(epoch, 6), loss=loss, seconds=round(seconds, 3)
    )
