"""What builds on a training refuses another base model than the training's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from forge_trainer.base_model import find_trained_base
from forge_trainer.digest import model_digest
from forge_trainer.errors import TrainerError


def test_a_base_that_changed_since_the_training_is_refused(toy_base: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(toy_base, base)
    digest = model_digest(base)
    assert find_trained_base(str(base), None, digest) == base
    assert find_trained_base(str(base), None, None) == base
    config = base / "config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(TrainerError, match="files have changed") as refused:
        find_trained_base(str(base), None, digest)
    assert refused.value.code == "base_model_missing"
