"""A training by a number of completion tokens: it ends at the step that reaches it, its rate decayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Recorder, train_here

from forge_trainer import configs, settings
from forge_trainer.errors import TrainerError


@pytest.mark.parametrize("accumulation", [1, 2])
def test_it_ends_at_the_step_that_reaches_it_with_the_rate_decayed(
    accumulation: int, train_config: dict[str, Any], make_recorder: Callable[[], Recorder]
) -> None:
    config = {**train_config, "gradient_accumulation": accumulation, "heldout_file": None}
    whole = make_recorder()
    train_here({**config, "epochs": 3}, whole)
    seen = [event["tokens_seen"] for event in whole.events("metrics")]
    # Within the second epoch, one token past the end of a step: the next step is the last.
    at = len(seen) // 2
    recorder = make_recorder()
    result = train_here({**config, "epochs": 1, "max_tokens": seen[at] + 1}, recorder)
    steps = recorder.events("metrics")
    assert result["steps"] == recorder.events("plan")[0]["total_steps"] == len(steps) == at + 2
    assert result["tokens_seen"] == seen[at + 1] < result["all_tokens"]
    # The cosine falls over these steps alone: the same run as if their number had been given.
    same = make_recorder()
    train_here({**config, "max_steps": at + 2}, same)
    assert [step["learning_rate"] for step in steps] == [step["learning_rate"] for step in same.events("metrics")]
    assert recorder.losses() == same.losses()


def test_steps_and_tokens_are_not_given_both(train_config: dict[str, Any]) -> None:
    with pytest.raises(TrainerError, match="max_tokens: give it or max_steps"):
        settings.parse({**train_config, "max_steps": 1, "max_tokens": 1}, configs.TrainConfig)
