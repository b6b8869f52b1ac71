"""The loss and its gradient come from completion tokens alone, averaged over a whole accumulated batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder, train_here


def reference(base: Path, train_file: Path, config: dict[str, Any], chosen: slice = slice(None)) -> tuple[float, float]:
    """Loss and gradient norm over rows (those chosen of the first epoch's order) as one batch, by plain torch, with
    the adapter of the same seed."""
    import torch

    from forge_trainer import configs, settings
    from forge_trainer.base_model import load_tokenizer
    from forge_trainer.chat_rows import IGNORED_LABEL, read_rows
    from forge_trainer.epoch_sampler import EpochSampler
    from forge_trainer.prepare_model import prepare_model

    rows = read_rows(str(train_file), load_tokenizer(base), config["max_seq_length"])
    order = list(EpochSampler([len(row.input_ids) for row in rows], config["batch_size"], config["seed"]))
    rows = [rows[index] for index in order[chosen]]
    parsed = settings.parse(config, configs.TrainConfig)
    model = prepare_model(parsed, base, torch.device("cpu"), torch.float32, None).model
    total, count = torch.zeros(()), 0
    for row in rows:
        logits = model(input_ids=torch.tensor([row.input_ids])).logits[0]
        for position in range(1, len(row.input_ids)):
            if row.labels[position] != IGNORED_LABEL:
                total = total - logits[position - 1].log_softmax(-1)[row.input_ids[position]]
                count += 1
    loss = total / count
    loss.backward()
    squares = [p.grad.pow(2).sum() for p in model.parameters() if p.grad is not None]
    return loss.item(), torch.stack(squares).sum().sqrt().item()


@pytest.mark.parametrize("use_pissa", [False, True])
def test_loss_and_gradient_are_those_of_the_completions(
    use_pissa: bool, toy_base: Path, data: dict[str, Path], train_config: dict[str, Any], recorder: Recorder
) -> None:
    # 11 rows in 6 micro-batches of one step: rows of different length, the last batch smaller.
    config = {**train_config, "use_pissa": use_pissa, "epochs": 1, "gradient_accumulation": 8, "heldout_file": None}
    train_here(config, recorder)
    (step,) = recorder.events("metrics")
    loss, norm = reference(toy_base, data["train"], config)
    assert step["loss"] == pytest.approx(loss, rel=1e-5)
    assert step["grad_norm"] == pytest.approx(norm, rel=1e-4)


def test_the_last_partial_accumulation_counts(
    toy_base: Path, data: dict[str, Path], train_config: dict[str, Any], recorder: Recorder
) -> None:
    # 11 rows, 2 a batch, 4 batches a step: the first step has 8 rows, the second what is left: 2 batches, of 2 and 1.
    # So small a rate moves no weight, so that the reference with the first adapter holds for every step.
    config = {**train_config, "gradient_accumulation": 4, "learning_rate": 1e-30, "heldout_file": None}
    result = train_here(config, recorder)
    (plan,) = recorder.events("plan")
    assert (plan["steps_per_epoch"], plan["total_steps"]) == (2, 4)
    steps = recorder.events("metrics")
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    for step, rows in zip(steps, (slice(8), slice(8, None)), strict=False):
        loss, norm = reference(toy_base, data["train"], config, rows)
        assert step["loss"] == pytest.approx(loss, rel=1e-5)
        assert step["grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert steps[0]["loss"] != pytest.approx(steps[1]["loss"], rel=1e-5)
    assert steps[-1]["tokens_seen"] == 2 * plan["train_tokens"] == result["tokens_seen"]
    assert steps[-1]["epoch"] == 2.0 and steps[-1]["eta_seconds"] == 0.0
