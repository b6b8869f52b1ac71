"""Failures get their codes, from the exceptions that the libraries really raise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forge_trainer import atomic
from forge_trainer.errors import TrainerError, classify


def test_a_failed_allocation_is_out_of_memory() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert classify(caught.value).code == "out_of_memory"
    assert classify(MemoryError()).code == "out_of_memory"
    assert classify(torch.OutOfMemoryError("CUDA out of memory")).code == "out_of_memory"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the host has no /dev/full")
def test_a_full_disk_is_disk_full() -> None:
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")
    assert classify(caught.value).code == "disk_full"


def test_others_are_internal_and_known_ones_kept() -> None:
    assert classify(ValueError("x")).code == "internal"
    error = TrainerError("bad_dataset", "x")
    assert classify(error) is error


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(RuntimeError), atomic.new_directory(target) as work:
        (work / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    for content in ("1", "2"):
        with atomic.new_directory(target) as work:
            (work / "a").write_text(content)
            assert not target.exists() or (target / "a").read_text() != content
    assert (target / "a").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
