"""The adapter: LoRA or PiSSA put onto the base, taken off again as tensors, and written as plain LoRA.

PiSSA (https://arxiv.org/abs/2404.02948) splits each weight W into a residual and its principal part s*B0*A0, and
trains A and B from A0 and B0 on. Its decomposition is randomised, so A0 and B0 are kept: a resumed run rebuilds the
residual as W - s*B0*A0, and the finished adapter becomes plain LoRA on the original W by
s*(B*A - B0*A0) = s*[B, -B0]*[A; A0], of twice the rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import atomic
from .configs import TrainConfig
from .errors import TrainerError

PISSA_INIT = "pissa_niter_4"
NAME = "default"
Tensors = dict[str, Any]  # "<module>.lora_A" and "<module>.lora_B" to float tensors on the CPU


def add_adapter(base: Any, config: TrainConfig, initial: Tensors | None = None, trained: Tensors | None = None) -> Any:
    """Puts a fresh adapter on the base, or that of a checkpoint, and gives the PEFT model.

    `initial`: PiSSA's first A and B of a checkpoint; `trained`: its present A and B. Uses torch's random numbers.
    """
    from peft import get_peft_model

    resumed = trained is not None
    peft_config = _peft_config(base, config, fresh=not resumed)
    try:
        model = get_peft_model(base, peft_config)
    except ValueError as error:
        raise TrainerError("bad_config", f"target_modules: {error}") from error
    if trained is not None:
        if initial is not None:
            _subtract_principal(model, initial)
        load_tensors(model, trained)
    return model


def _peft_config(base: Any, config: TrainConfig, fresh: bool) -> Any:
    from peft import LoraConfig

    alpha = config.lora_alpha if config.lora_alpha is not None else float(config.rank)
    ranks = _rank_limits(base, config)
    start: Any = PISSA_INIT if config.use_pissa else True
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.target_modules) if config.target_modules else "all-linear",
        # Weights with a side shorter than the rank have no more directions than that; s = alpha/r stays the same.
        rank_pattern=ranks,
        alpha_pattern={name: alpha * rank / config.rank for name, rank in ranks.items()},
        # A resumed adapter is overwritten at once; plain LoRA's start is the cheapest.
        init_lora_weights=start if fresh else True,
    )


def _rank_limits(base: Any, config: TrainConfig) -> dict[str, int]:
    import torch

    limits = {}
    for name, module in base.named_modules():
        if isinstance(module, torch.nn.Linear) and min(module.in_features, module.out_features) < config.rank:
            limits[name] = min(module.in_features, module.out_features)
    return limits


def lora_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Each adapted module of a PEFT model, with its name in the base model."""
    from peft.tuners.lora import LoraLayer

    for name, module in model.get_base_model().named_modules():
        if isinstance(module, LoraLayer):
            yield name, module


def take_tensors(model: Any) -> Tensors:
    """Copies of all A (rank, in) and B (out, rank) on the CPU."""
    tensors: Tensors = {}
    for name, layer in lora_layers(model):
        tensors[f"{name}.lora_A"] = layer.lora_A[NAME].weight.detach().to("cpu", copy=True)
        tensors[f"{name}.lora_B"] = layer.lora_B[NAME].weight.detach().to("cpu", copy=True)
    return tensors


def require_finite(tensors: Tensors, step: int) -> None:
    """Raises TrainerError non_finite_loss where a weight became NaN or infinite: nothing may go on from that."""
    import torch

    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise TrainerError(
                "non_finite_loss", f"{name} is not finite after step {step}; lower learning_rate and look at the data"
            )


def load_tensors(model: Any, tensors: Tensors) -> None:
    """Puts A and B back in place. Raises TrainerError bad_config when they do not fit the model."""
    import torch

    expected = take_tensors(model)
    if {k: v.shape for k, v in expected.items()} != {k: v.shape for k, v in tensors.items()}:
        raise TrainerError("bad_config", "resume_from: the checkpoint's adapter does not fit the base model and rank")
    with torch.no_grad():
        for name, layer in lora_layers(model):
            layer.lora_A[NAME].weight.copy_(tensors[f"{name}.lora_A"])
            layer.lora_B[NAME].weight.copy_(tensors[f"{name}.lora_B"])


def _subtract_principal(model: Any, initial: Tensors) -> None:
    """Turns each base weight W into W - s*B0*A0, in the very operations of PEFT's own start, so bit for bit."""
    for name, layer in lora_layers(model):
        base = layer.get_base_layer()
        a = initial[f"{name}.lora_A"].to(base.weight.device)
        b = initial[f"{name}.lora_B"].to(base.weight.device)
        residual = base.weight.data.float() - layer.scaling[NAME] * b @ a
        base.weight.data = residual.to(base.weight.dtype)


def save_plain_lora(model: Any, directory: Path, base_name: str, trained: Tensors, initial: Tensors | None) -> None:
    """Writes `trained` as a plain LoRA adapter in PEFT's format that fits the original base model."""
    import torch
    from peft import LoraConfig
    from safetensors.torch import save

    source = model.peft_config[NAME]
    factor = 1 if initial is None else 2
    tensors = {}
    for key, tensor in trained.items():
        if initial is not None:
            first = initial[key]
            joined = [tensor, first] if key.endswith("lora_A") else [tensor, -first]
            tensor = torch.cat(joined, dim=0 if key.endswith("lora_A") else 1)
        tensors[f"base_model.model.{key}.weight"] = tensor.contiguous()
    config = LoraConfig(
        task_type="CAUSAL_LM",
        inference_mode=True,
        base_model_name_or_path=base_name,
        r=source.r * factor,
        lora_alpha=source.lora_alpha * factor,
        lora_dropout=source.lora_dropout,
        target_modules=sorted(source.target_modules),
        rank_pattern={name: rank * factor for name, rank in source.rank_pattern.items()},
        alpha_pattern={name: alpha * factor for name, alpha in source.alpha_pattern.items()},
    )
    config.save_pretrained(str(directory))
    atomic.write_bytes(directory / "adapter_model.safetensors", save(tensors, metadata={"format": "pt"}))
