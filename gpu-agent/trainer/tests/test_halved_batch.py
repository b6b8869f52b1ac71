"""Memory that ran out: the same steps in smaller micro-batches, and a checkpoint from before that goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder, train_here

from forge_trainer import configs, settings
from forge_trainer.errors import TrainerError, classify


@pytest.mark.parametrize("use_pissa", [False, True])
def test_halved_micro_batches_take_the_same_rows_to_each_step(
    use_pissa: bool, train_config: dict[str, Any], tmp_path: Path, make_recorder: Callable[[], Recorder]
) -> None:
    config = {**train_config, "use_pissa": use_pissa, "batch_size": 4, "gradient_accumulation": 1}
    halved = {"batch_size": 2, "gradient_accumulation": 2, "order_batch_size": 4}
    whole, smaller, resumed = make_recorder(), make_recorder(), make_recorder()
    train_here({**config, "output_dir": str(tmp_path / "a"), "checkpoint_every_steps": 2}, whole)
    train_here({**config, **halved, "output_dir": str(tmp_path / "b")}, smaller)
    assert len(whole.losses()) == 6
    # Sums of the same numbers in another order, and nothing more.
    assert smaller.losses() == pytest.approx(whole.losses(), rel=1e-4)
    assert [step["tokens_seen"] for step in smaller.events("metrics")] == [
        step["tokens_seen"] for step in whole.events("metrics")
    ]

    # In the midst of the first epoch, saved with the larger micro-batches.
    copy = tmp_path / "elsewhere"
    shutil.copytree(whole.events("checkpoint")[0]["path"], copy)
    train_here({**config, **halved, "output_dir": str(tmp_path / "c"), "resume_from": str(copy)}, resumed)
    assert resumed.losses() == pytest.approx(whole.losses()[2:], rel=1e-4)


def test_another_number_of_rows_to_a_step_is_another_run(
    train_config: dict[str, Any], tmp_path: Path, make_recorder: Callable[[], Recorder]
) -> None:
    recorder = make_recorder()
    config = {**train_config, "batch_size": 4, "gradient_accumulation": 1, "checkpoint_every_steps": 1, "max_steps": 2}
    train_here(config, recorder)
    path = recorder.events("checkpoint")[0]["path"]
    with pytest.raises(TrainerError, match="gradient_accumulation was 1, is 2"):
        changed = {"batch_size": 2, "gradient_accumulation": 4, "order_batch_size": 4, "resume_from": path}
        train_here({**config, **changed, "output_dir": str(tmp_path / "b")}, make_recorder())
    with pytest.raises(TrainerError, match="order_batch_size: must divide"):
        uneven = {"batch_size": 2, "gradient_accumulation": 1, "order_batch_size": 4}
        settings.parse({**config, **uneven}, configs.TrainConfig)


def fail_in(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[Any], None]) -> None:
    """Has `act` called with the trainer at the start of an optimizer step's first micro-step."""
    from forge_trainer.forge_sft import ForgeTrainer

    real = ForgeTrainer.training_step

    def training_step(self: Any, *given: Any, **named: Any) -> Any:
        if self.state.global_step == step - 1:
            act(self)
        return real(self, *given, **named)

    monkeypatch.setattr(ForgeTrainer, "training_step", training_step)


def test_memory_that_runs_out_in_a_step_leaves_the_checkpoint_before(
    train_config: dict[str, Any], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def run_out(_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    fail_in(monkeypatch, 3, run_out)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        train_here({**train_config, "checkpoint_every_steps": 1}, recorder)
    failure = classify(caught.value)
    assert failure.code == "out_of_memory" and "batch_size" in str(failure)
    assert [event["step"] for event in recorder.events("checkpoint")] == [1, 2]


def spoil_weights(trainer: Any) -> None:
    """One weight of the adapter becomes NaN."""
    import torch

    with torch.no_grad():
        parameter = next(p for p in trainer.model.parameters() if p.requires_grad)
        parameter.view(-1)[0] = float("nan")


def test_a_loss_that_is_not_finite_leaves_the_checkpoint_before(
    train_config: dict[str, Any], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in(monkeypatch, 3, spoil_weights)
    with pytest.raises(TrainerError) as caught:
        train_here({**train_config, "checkpoint_every_steps": 1}, recorder)
    assert caught.value.code == "non_finite_loss" and "step 3" in str(caught.value)
    assert [event["step"] for event in recorder.events("checkpoint")] == [1, 2]
    assert len(recorder.losses()) == 2


def test_weights_that_are_not_finite_are_never_saved(
    train_config: dict[str, Any], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss that would tell of it is the next step's; the step before has its checkpoint due."""
    from forge_trainer.forge_sft import _Steps

    real = _Steps.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **named: Any) -> None:
        if state.global_step == 2:
            spoil_weights(self._trainer)
        real(self, args, state, control, **named)

    monkeypatch.setattr(_Steps, "on_step_end", on_step_end)
    with pytest.raises(TrainerError) as caught:
        train_here({**train_config, "checkpoint_every_steps": 1}, recorder)
    assert caught.value.code == "non_finite_loss" and "after step 2" in str(caught.value)
    saved = recorder.events("checkpoint")
    assert [event["step"] for event in saved] == [1]
    assert sorted(path.name for path in Path(saved[0]["path"]).parent.iterdir()) == ["step-00000001"]

    with pytest.raises(TrainerError):
        train_here({**train_config, "max_steps": 2, "output_dir": train_config["output_dir"] + "-last"}, recorder)
    assert not Path(train_config["output_dir"] + "-last", "adapter").exists()
