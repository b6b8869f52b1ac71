"""The model as training starts: base weights, adapter, and PiSSA's first A and B."""

from __future__ import annotations

import gc
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import adapter
from .base_model import load_model
from .checkpoint import Checkpoint
from .configs import TrainConfig
from .unsloth_model import load_with_unsloth, unsloth_asked


@dataclass(frozen=True)
class Prepared:
    """`model` is the PEFT model; `initial` is PiSSA's first A and B, or None for LoRA."""

    model: Any
    initial: adapter.Tensors | None


def prepare_model(
    config: TrainConfig, base_dir: Path, device: Any, dtype: Any, checkpoint: Checkpoint | None
) -> Prepared:
    """Loads the base and puts a fresh adapter on it, or the checkpoint's. All randomness follows from the seed."""
    import numpy
    import torch

    random.seed(config.seed)
    numpy.random.seed(config.seed)
    torch.manual_seed(config.seed)
    initial = checkpoint.initial if checkpoint else None
    trained = checkpoint.adapter if checkpoint else None
    pissa_on_bits = config.use_pissa and config.quantization != "none"
    if unsloth_asked(config, device):
        base = load_with_unsloth(config, base_dir, dtype)
    else:
        base = load_model(base_dir, dtype, device, "none" if pissa_on_bits else config.quantization)
    model = adapter.add_adapter(base, config, initial, trained)
    if config.use_pissa and initial is None:
        initial = adapter.take_tensors(model)
    if pissa_on_bits:
        present = adapter.take_tensors(model)
        base = _requantize(model.unload(), base_dir.name, dtype, device, config.quantization)
        del model
        model = adapter.add_adapter(base, config, None, present)
    if config.quantization != "none":
        from peft import prepare_model_for_kbit_training

        # Norms to float32 and inputs that carry gradients, as QLoRA's authors do; the adapter stays trainable.
        trainable = {name for name, p in model.named_parameters() if p.requires_grad}
        prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in trainable)
    return Prepared(model=model, initial=initial)


def _requantize(residual: Any, name: str, dtype: Any, device: Any, quantization: str) -> Any:
    """PiSSA is split off at full precision; what is left is then loaded anew in few bits (as PiSSA's authors do)."""
    import torch

    with tempfile.TemporaryDirectory(prefix=f"{name}-residual-") as folder:
        residual.save_pretrained(folder)
        del residual
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return load_model(Path(folder), dtype, device, quantization)
