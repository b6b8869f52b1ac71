"""A base model from the hub: which commit it is, and that the cache serves it when the hub is out of reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMAND_TIMEOUT_SECONDS, TRAINER
from hub import Hub

NAME = "somebody/small-model"
# A process of its own each time: the hub's library reads its address when it is imported.
FIND = """
import json, sys
from forge_trainer.base_model import commit_of, find_base_model
path = find_base_model(sys.argv[1], None)
print(json.dumps([str(path), commit_of(path), sorted(file.name for file in path.iterdir())]))
"""


def find(environment: dict[str, str]) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", FIND, NAME],
        cwd=TRAINER,
        env={**os.environ, **environment, "HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_model_that_was_downloaded_is_found_again_without_the_hub(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "tokenizer.json").write_text('{"a": 1}')
    (model / "pytorch_model.bin").write_bytes(b"a pickle, which is left out")
    hub = Hub(NAME, model, "a1" * 20)
    environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
    try:
        online = find(environment)
    finally:
        hub.close()
    assert online[1:] == ["a1" * 20, ["config.json", "tokenizer.json"]]
    assert find(environment) == online


@pytest.mark.parametrize("folder", ["snapshots/main", "models/" + "a1" * 20])
def test_a_directory_of_its_own_has_no_commit(folder: str, tmp_path: Path) -> None:
    from forge_trainer.base_model import commit_of

    assert commit_of(tmp_path / folder) is None
