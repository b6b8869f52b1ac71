"""Pause, cancel, SIGTERM and failures of the commands as the agent sees them: events and exit codes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Child, Recorder, train_here, write_jsonl

from forge_trainer.errors import TrainerError

Start = Callable[[str, dict[str, Any]], Child]
PAUSED, CANCELLED, FAILED = 75, 76, 1


def long_run(train_config: dict[str, Any]) -> dict[str, Any]:
    """More steps than any test waits for."""
    return {**train_config, "use_pissa": True, "epochs": 1000}


@pytest.mark.parametrize("how", ["command", "SIGTERM"])
def test_a_paused_run_saves_ends_and_goes_on_as_if_nothing_was(
    how: str, train_config: dict[str, Any], start: Start, make_recorder: Callable[[], Recorder]
) -> None:
    config = long_run(train_config)
    child = start("train", config)
    child.until("metrics")
    child.until("metrics")
    asked = time.monotonic()
    if how == "command":
        child.say("pause")
    else:
        child.process.send_signal(signal.SIGTERM)
    assert child.end() == PAUSED, child.log.read_text()[-2000:]
    assert time.monotonic() - asked < 30
    *_, checkpoint, stopped = child.events
    steps = [event for event in child.events if event["type"] == "metrics"]
    assert checkpoint["type"] == "checkpoint" and stopped == {"type": "stopped", "step": steps[-1]["step"]}
    assert checkpoint["step"] == steps[-1]["step"] and Path(checkpoint["path"]).is_dir()

    if how == "command":
        # The same 1,000 epochs, ended by a pause of their own: the losses go on where an undisturbed run's would.
        reached = checkpoint["step"]
        resumed = start("train", {**config, "resume_from": checkpoint["path"]})
        first = resumed.until("metrics")
        assert first["step"] == reached + 1 and first["tokens_seen"] > steps[-1]["tokens_seen"]
        straight = start("train", {**config, "output_dir": config["output_dir"] + "-straight"})
        while (event := straight.until("metrics"))["step"] <= reached:
            pass
        assert event["loss"] == first["loss"]
        for one in (resumed, straight):
            one.say("cancel")
            assert one.end() == CANCELLED


def test_cancel_ends_at_once_and_saves_nothing(train_config: dict[str, Any], start: Start) -> None:
    # No checkpoint of its own is due before it is cancelled.
    child = start("train", {**long_run(train_config), "checkpoint_every_steps": 1_000})
    child.until("metrics")
    child.say("cancel")
    assert child.end() == CANCELLED
    assert not any(event["type"] in ("checkpoint", "stopped", "result") for event in child.events)
    assert not Path(train_config["output_dir"]).exists()


def test_a_pause_before_the_first_step_says_so(train_config: dict[str, Any], start: Start) -> None:
    child = start("train", long_run(train_config))
    child.until("phase")
    asked = time.monotonic()
    child.say("pause")
    assert child.end() == PAUSED
    assert time.monotonic() - asked < 5  # not when all is loaded
    assert child.events[-1] == {"type": "stopped", "step": 0}
    assert not any(event["type"] == "checkpoint" for event in child.events)


def test_a_child_that_says_nothing_is_not_waited_for_without_an_end(train_config: dict[str, Any], start: Start) -> None:
    child = start("train", long_run(train_config))
    with pytest.raises(AssertionError, match="no result event in time; log:"):
        child.until("result", seconds=0.1)


def test_failures_tell_their_code(
    train_config: dict[str, Any], start: Start, tmp_path: Path, recorder: Recorder
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    child = start("train", {**train_config, "train_file": str(broken)})
    assert child.end() == FAILED
    assert child.events[-1]["type"] == "error" and child.events[-1]["code"] == "bad_dataset"
    for field in ("train_file", "heldout_file"):
        with pytest.raises(TrainerError) as caught:
            train_here({**train_config, field: str(tmp_path / "none.jsonl")}, recorder)
        assert caught.value.code == "bad_dataset" and "none.jsonl" in str(caught.value)
    child = start("train", {**train_config, "rank": 0, "colour": "red"})
    assert child.end() == FAILED
    (error,) = child.events
    assert error["code"] == "bad_config" and "rank" in error["message"] and "colour" in error["message"]


def test_a_missing_base_model_and_a_hub_out_of_reach(
    train_config: dict[str, Any], start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recorder: Recorder
) -> None:
    with pytest.raises(TrainerError) as caught:
        train_here({**train_config, "base_model": str(tmp_path / "none")}, recorder)
    assert caught.value.code == "base_model_missing"

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nothing listens
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty-cache"))
    child = start("train", {**train_config, "base_model": "nobody/no-such-model"})
    child.until("phase")
    asked = time.monotonic()
    assert child.end() == FAILED
    assert child.events[-1]["code"] == "hub_unreachable", child.events[-1]
    assert time.monotonic() - asked < 60


def test_an_evaluation_that_is_paused_ends_at_once_and_leaves_nothing(
    train_config: dict[str, Any], start: Start, recorder: Recorder, tmp_path: Path
) -> None:
    adapter = train_here({**train_config, "epochs": 1}, recorder)["adapter_dir"]
    texts = write_jsonl(tmp_path / "long.jsonl", [{"text": f"x{i} = {i}\n" * 1000} for i in range(30)])
    output = tmp_path / "evaluation"
    child = start(
        "evaluate",
        {
            "base_model": train_config["base_model"],
            "adapters": {"tuned": adapter},
            "heldout_file": str(texts),
            "output_dir": str(output),
            "max_seq_length": 16,
            "threads": 1,
            "device": "cpu",
        },
    )
    child.until("progress")
    asked = time.monotonic()
    child.say("pause")
    assert child.end() == PAUSED
    assert time.monotonic() - asked < 5
    assert child.events[-1] == {"type": "stopped", "step": 0} and not output.exists()


def test_an_export_that_is_paused_ends_at_once_and_leaves_no_model(
    train_config: dict[str, Any],
    start: Start,
    recorder: Recorder,
    tmp_path: Path,
    converter_dir: Path,
    llama_library_dir: Path,
) -> None:
    adapter = train_here({**train_config, "epochs": 1}, recorder)["adapter_dir"]
    output = tmp_path / "export"
    folders = {"llama_library_dir": str(llama_library_dir), "converter_dir": str(converter_dir)}
    config = {"base_model": train_config["base_model"], "adapter_dir": adapter, "output_dir": str(output), **folders}
    child = start("export", config)
    child.until("phase")
    asked = time.monotonic()
    child.say("pause")
    assert child.end() == PAUSED
    assert time.monotonic() - asked < 5
    assert child.events[-1] == {"type": "stopped", "step": 0} and not list(output.glob("*.gguf"))
