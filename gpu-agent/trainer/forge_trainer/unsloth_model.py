"""Unsloth's faster kernels for the base model, taken on a CUDA host where the setting use_unsloth asks.

Only the base comes from it; adapter, trainer and checkpoints are the same as without. PiSSA keeps to the plain way,
since it rewrites the base's weights. Unsloth is in no lock file here: who installs it answers for its version.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from .configs import TrainConfig
from .errors import TrainerError


def unsloth_asked(config: TrainConfig, device: Any) -> bool:
    """Whether this run loads its base by Unsloth; raises TrainerError bad_config where it is asked for in vain."""
    if not config.use_unsloth:
        return False
    if device.type != "cuda":
        raise TrainerError("bad_config", "use_unsloth: needs CUDA, and this host has none; leave it out")
    if importlib.util.find_spec("unsloth") is None:
        raise TrainerError(
            "bad_config", "use_unsloth: the package unsloth is not installed; install it or leave it out"
        )
    return True


def load_with_unsloth(config: TrainConfig, base_dir: Path, dtype: Any) -> Any:
    """The base model with Unsloth's patches. https://github.com/unslothai/unsloth"""
    from unsloth import FastLanguageModel

    print("trainer: the base model is loaded by Unsloth", file=sys.stderr)
    model, _ = FastLanguageModel.from_pretrained(
        model_name=str(base_dir),
        max_seq_length=config.max_seq_length,
        dtype=dtype,
        load_in_4bit=config.quantization == "4bit",
    )
    return model
