"""Memory that runs out in a training step is told as such. The limit is the operating system's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import COMMAND_TIMEOUT_SECONDS, TRAINER, conversation, write_jsonl

# The libraries are loaded first, so that what is short is the memory of a training step and nothing else.
LIMITED = """
import resource, sys
import peft, torch, trl.trainer.sft_trainer, transformers.models.llama.modeling_llama
torch.set_num_threads(1)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 400 * 2**20,) * 2)
from forge_trainer.__main__ import main
sys.exit(main(["train", "--config", sys.argv[1]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and RLIMIT_AS")
def test_a_step_that_takes_too_much_memory(train_config: dict[str, Any], tmp_path: Path) -> None:
    rows = [conversation("count", "one two three four " * 40)] * 1024
    config = tmp_path / "config.json"
    settings = {"train_file": str(write_jsonl(tmp_path / "big.jsonl", rows)), "batch_size": 1024, "max_seq_length": 256}
    config.write_text(json.dumps({**train_config, **settings}))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(config)],
        cwd=TRAINER,
        env={**os.environ, "FORGE_TRAINER_EVENTS_FD": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["type"] == "error", done.stderr[-2000:]
    assert events[-1]["code"] == "out_of_memory", events[-1]
    assert "batch_size" in events[-1]["message"] and done.returncode == 1
    assert any(event["type"] == "plan" for event in events)
