"""Unsloth's faster kernels for the base model, taken when the package is installed on a CUDA host.

Only the base comes from it; adapter, trainer and checkpoints are the same as without. PiSSA keeps to the plain way,
since it rewrites the base's weights. Unsloth is in no lock file here: who installs it answers for its version.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from .configs import TrainConfig


def unsloth_fits(config: TrainConfig, device: Any) -> bool:
    """Whether this run loads its base by Unsloth."""
    wanted = device.type == "cuda" and not config.use_pissa and config.quantization in ("none", "4bit")
    return wanted and importlib.util.find_spec("unsloth") is not None


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
