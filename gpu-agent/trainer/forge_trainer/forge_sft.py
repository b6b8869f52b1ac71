"""TRL's SFTTrainer with what exact resuming, stopping between micro-steps and checked losses need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import SFTTrainer

from . import random_state
from .chat_rows import IGNORED_LABEL
from .checkpoint import Checkpoint
from .epoch_sampler import EpochSampler
from .errors import TrainerError
from .metrics import Metrics


class ForgeTrainer(SFTTrainer):
    """One process, one device. The model comes with its adapter in place; `checkpoint` restores the rest.

    `before_micro_step` may raise to stop the run; `after_step` and `after_epoch` are called with the run's state at
    rest. `random` is the state of the generators after the last optimizer step.
    """

    def __init__(
        self,
        *,
        seed: int,
        order_batch_size: int,
        checkpoint: Checkpoint | None,
        metrics: Metrics,
        before_micro_step: Callable[[], None],
        after_step: Callable[[], None],
        after_epoch: Callable[[], bool],
        **options: Any,
    ) -> None:
        lengths = [len(ids) for ids in options["train_dataset"]["input_ids"]]
        self._sampler = EpochSampler(lengths, order_batch_size, seed)
        self._checkpoint = checkpoint
        self._metrics_log = metrics
        self._before_micro_step = before_micro_step
        self._after_step = after_step
        self._after_epoch = after_epoch
        super().__init__(**options)
        self.remove_callback(PrinterCallback)
        self.add_callback(_Steps(self))
        self.random = checkpoint.random if checkpoint else random_state.take()

    def resume_or_start(self) -> None:
        """Trains to the end, from the checkpoint where there is one."""
        self.train(resume_from_checkpoint=str(self._checkpoint.directory) if self._checkpoint else None)

    # The order of the data.

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return self._sampler

    def _run_epoch(self, **options: Any) -> None:
        # transformers looks whether the run is over only after a step; a checkpoint may be that of the last one.
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            return
        self._sampler.epoch = options["epoch"]
        super()._run_epoch(**options)
        if not self.control.should_training_stop and self._after_epoch():
            self.control.should_training_stop = True

    # One micro-step.

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        self._before_micro_step()
        counted = int((inputs["labels"][:, 1:] != IGNORED_LABEL).sum())
        self._metrics_log.batch(int(inputs["attention_mask"].sum()), counted)
        loss = super().training_step(model, inputs, *rest, **named)
        if not torch.isfinite(loss):
            self._refuse("loss", float(loss))
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None and not torch.isfinite(torch.as_tensor(norm)):
            self._refuse("gradient norm", float(norm))
        return norm

    def _refuse(self, what: str, value: float) -> None:
        step = self.state.global_step + 1
        raise TrainerError(
            "non_finite_loss", f"the {what} became {value} in step {step}; lower learning_rate and look at the data"
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            self._metrics_log.step(
                step=self.state.global_step,
                epoch=float(self.state.epoch or 0),
                loss=float(logs["loss"]),
                learning_rate=float(logs["learning_rate"]),
                grad_norm=float(logs["grad_norm"]),
            )
            self._after_step()
        self._metrics["train"].clear()

    # State: the caller saves it (checkpoint.py), these put it back.

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """The adapter was put in place before the trainer was made."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self._checkpoint is not None:
            self.optimizer.load_state_dict(self._checkpoint.optimizer)
            self.lr_scheduler.load_state_dict(self._checkpoint.scheduler)

    def _load_scaler(self, checkpoint: str | None) -> None:
        """bfloat16 and float32 need no loss scaling."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if self._checkpoint is not None:
            random_state.restore(self._checkpoint.random)


class _Steps(TrainerCallback):
    """Notes the random state after each optimizer step: a run stopped in the next step's midst starts that one anew."""

    def __init__(self, trainer: ForgeTrainer) -> None:
        self._trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer.random = random_state.take()
