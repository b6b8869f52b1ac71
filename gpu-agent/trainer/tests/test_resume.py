"""A seed fixes every loss; a run that went on from a checkpoint has exactly the losses of one that was not stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder, train_here

from forge_trainer import configs, settings
from forge_trainer.errors import TrainerError
from forge_trainer.evaluate import evaluate

VARIANTS = {
    "lora with dropout": {"use_pissa": False, "lora_dropout": 0.1},
    "pissa": {"use_pissa": True},
}


def evaluations(recorder: Recorder) -> list[tuple[int, float]]:
    return [(event["step"], event["loss"]) for event in recorder.events("evaluation")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_resumed_losses_are_those_of_an_uninterrupted_run(
    variant: str, train_config: dict[str, Any], tmp_path: Path, make_recorder: Callable[[], Recorder]
) -> None:
    config = {**train_config, **VARIANTS[variant], "epochs": 3}
    straight, twice, saving = make_recorder(), make_recorder(), make_recorder()
    result = train_here({**config, "output_dir": str(tmp_path / "a")}, straight)
    train_here({**config, "output_dir": str(tmp_path / "b")}, twice)
    assert len(straight.losses()) == 9
    assert straight.losses() == twice.losses()
    assert len(set(straight.losses())) == 9

    train_here({**config, "output_dir": str(tmp_path / "c"), "checkpoint_every_steps": 1}, saving)
    assert saving.losses() == straight.losses()
    kept = [Path(event["path"]) for event in saving.events("checkpoint")]
    assert [path.name for path in kept if path.exists()] == ["step-00000006", "step-00000007", "step-00000008"]
    # At an epoch's end (whose evaluation is still to come) and in the midst of one; elsewhere than it was made.
    for source, done in ((kept[5], 6), (kept[6], 7)):
        copy = tmp_path / f"elsewhere-{done}"
        shutil.copytree(source, copy)
        resumed = make_recorder()
        again = train_here({**config, "output_dir": str(tmp_path / f"r{done}"), "resume_from": str(copy)}, resumed)
        assert resumed.losses() == straight.losses()[done:]
        assert evaluations(resumed) == [one for one in evaluations(straight) if one[0] >= done]
        assert again["heldout"] == result["heldout"] and again["tokens_seen"] == result["tokens_seen"]
        assert same_adapter(again["adapter_dir"], result["adapter_dir"])
        assert steps_in(again["metrics_file"]) == steps_in(result["metrics_file"])


def same_adapter(one: str, other: str) -> bool:
    name = "adapter_model.safetensors"
    return Path(one, name).read_bytes() == Path(other, name).read_bytes()


def steps_in(metrics_file: str) -> list[tuple[str, int, float]]:
    records = [json.loads(line) for line in Path(metrics_file).read_text().splitlines()]
    return [(record["type"], record["step"], record["loss"]) for record in records]


def test_another_seed_gives_other_losses(train_config: dict[str, Any], make_recorder: Callable[[], Recorder]) -> None:
    runs = []
    for seed in (1, 2):
        recorder = make_recorder()
        train_here({**train_config, "seed": seed, "max_steps": 2}, recorder)
        runs.append(recorder.losses())
    assert runs[0] != runs[1] and len(runs[0]) == len(runs[1]) == 2


def test_a_checkpoint_of_another_run_is_refused(
    train_config: dict[str, Any], data: dict[str, Path], make_recorder: Callable[[], Recorder]
) -> None:
    recorder = make_recorder()
    train_here({**train_config, "max_steps": 2, "checkpoint_every_steps": 1}, recorder)
    path = recorder.events("checkpoint")[0]["path"]
    changed = {**train_config, "resume_from": path, "max_steps": 2, "rank": 4, "train_file": str(data["heldout"])}
    with pytest.raises(TrainerError) as caught:
        train_here(changed, make_recorder())
    assert caught.value.code == "bad_config"
    assert "rank was 8, is 4" in str(caught.value) and "train_file" in str(caught.value)

    (Path(path) / "optimizer.pt").write_bytes(b"cut off")
    with pytest.raises(TrainerError, match="not a complete checkpoint"):
        train_here({**train_config, "max_steps": 2, "resume_from": path}, make_recorder())


def test_nothing_in_a_checkpoint_is_run_when_it_is_read(
    train_config: dict[str, Any], recorder: Recorder, tmp_path: Path
) -> None:
    import torch

    from forge_trainer.checkpoint import load_checkpoint

    train_here({**train_config, "max_steps": 2, "checkpoint_every_steps": 1}, recorder)
    path = Path(recorder.events("checkpoint")[0]["path"])
    mark = tmp_path / "ran"
    torch.save({"optimizer": Trap(mark), "scheduler": {}}, path / "optimizer.pt")
    with pytest.raises(TrainerError):
        load_checkpoint(str(path))
    assert not mark.exists()


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.write_text, (self._mark, "ran")


def test_early_stopping_keeps_the_best_adapter(train_config: dict[str, Any], recorder: Recorder) -> None:
    config = {**train_config, "epochs": 30, "learning_rate": 0.05, "early_stopping_patience": 2}
    result = train_here(config, recorder)
    losses = [loss for _, loss in evaluations(recorder)]
    assert result["epochs"] < 30
    assert min(losses[-2:]) >= min(losses) and losses[-3] == min(losses)
    assert result["final_loss"] == result["heldout"]["loss"] == min(losses)

    # What was saved is the best adapter, not the last: measured anew.
    measured = evaluate(
        settings.parse(
            {
                "base_model": config["base_model"],
                "adapters": {"tuned": result["adapter_dir"]},
                "heldout_file": config["heldout_file"],
                "output_dir": config["output_dir"],
                "max_seq_length": 128,
                "bootstrap_samples": 100,
            },
            configs.EvaluateConfig,
        ),
        recorder.stream,
    )
    assert measured["adapters"]["tuned"]["loss"] == pytest.approx(min(losses), abs=2e-5)


def test_a_loss_that_is_not_finite_ends_the_run(
    train_config: dict[str, Any], toy_base: Path, tmp_path: Path, recorder: Recorder
) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(toy_base, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainerError) as caught:
        train_here({**train_config, "base_model": str(broken)}, recorder)
    assert caught.value.code == "non_finite_loss"
    assert recorder.losses() == []
