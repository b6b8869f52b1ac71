"""A disk that is full when a checkpoint is written: told as such, and nothing half-written stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import COMMAND_TIMEOUT_SECONDS, TRAINER

# In a mount namespace of its own; $1 is the directory that becomes a file system of 256 KiB.
ON_A_SMALL_DISK = 'mount -t tmpfs -o size=256k tmpfs "$1" && shift && "$@"; code=$?; ls -A "$0/checkpoints"; exit $code'


def can_mount() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs Linux with user namespaces")
def test_a_full_disk_is_told_and_leaves_no_half_checkpoint(train_config: dict[str, Any], tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**train_config, "output_dir": str(small), "checkpoint_every_steps": 1}))
    trainer = [sys.executable, "-m", "forge_trainer", "train", "--config", str(config)]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, str(small), str(small), *trainer],
        cwd=TRAINER,
        env={**os.environ, "FORGE_TRAINER_EVENTS_FD": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )
    *events, last = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert (last["type"], last.get("code")) == ("error", "disk_full"), done.stderr[-2000:]
    assert done.returncode == 1 and any(event["type"] == "metrics" for event in events)
    left = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    told = [Path(event["path"]).name for event in events if event["type"] == "checkpoint"]
    assert left == told
