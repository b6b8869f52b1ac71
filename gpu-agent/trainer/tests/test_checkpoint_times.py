"""When checkpoints are made: as asked for in steps, else at each epoch's end and after so many seconds."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Recorder, train_here


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        # 3 steps an epoch, 6 in all; after the last one the adapter itself is written.
        ({}, [3]),
        ({"checkpoint_every_seconds": 1e-6}, [1, 2, 3, 4, 5]),
        ({"checkpoint_every_steps": 2, "checkpoint_every_seconds": 1e-6}, [2, 4]),
    ],
)
def test_checkpoints_are_made_when_due(
    given: dict[str, Any], steps: list[int], train_config: dict[str, Any], recorder: Recorder
) -> None:
    train_here({**train_config, **given}, recorder)
    assert [event["step"] for event in recorder.events("checkpoint")] == steps
