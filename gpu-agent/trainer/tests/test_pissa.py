"""PiSSA: residual and adapter make up the base; plain LoRA of it computes the same; the residual can be rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder, train_here

from forge_trainer import adapter, configs, settings
from forge_trainer.base_model import load_model


def load(base: Path) -> Any:
    import torch

    return load_model(base, torch.float32, torch.device("cpu"))


def config_of(train_config: dict[str, Any], **changes: Any) -> configs.TrainConfig:
    return settings.parse({**train_config, "use_pissa": True, **changes}, configs.TrainConfig)


@pytest.mark.parametrize("alpha", [None, 24.0])
def test_residual_and_adapter_reproduce_the_base(
    alpha: float | None, toy_base: Path, train_config: dict[str, Any]
) -> None:
    import torch

    original = load(toy_base)
    weights = {name: module.weight.detach().clone() for name, module in original.named_modules() if has_weight(module)}
    # Rank 48 is more than the 32 rows of k_proj and v_proj: they get the rank they have.
    model = adapter.add_adapter(load(toy_base), config_of(train_config, rank=48, lora_alpha=alpha))
    layers = dict(adapter.lora_layers(model))
    assert len(layers) == 2 * 7
    for name, layer in layers.items():
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        principal = layer.scaling["default"] * b @ a
        residual = layer.get_base_layer().weight
        assert torch.allclose(residual + principal, weights[name], atol=1e-5), name
        # The adapter carries the principal part, not nothing: what is left is smaller than the whole.
        assert residual.norm() < 0.7 * weights[name].norm(), name
        assert a.shape[0] == min(48, *weights[name].shape)

    ids = torch.arange(40).unsqueeze(0) + 300
    with torch.no_grad():
        assert torch.allclose(model(input_ids=ids).logits, original(input_ids=ids).logits, atol=1e-4)


def has_weight(module: Any) -> bool:
    return getattr(module, "weight", None) is not None


def test_a_rebuilt_residual_is_the_same_bit_for_bit(toy_base: Path, train_config: dict[str, Any]) -> None:
    import torch

    first = adapter.add_adapter(load(toy_base), config_of(train_config))
    initial = adapter.take_tensors(first)
    torch.manual_seed(12345)  # another run's random numbers
    again = adapter.add_adapter(load(toy_base), config_of(train_config), initial, initial)
    other = dict(adapter.lora_layers(again))
    for name, layer in adapter.lora_layers(first):
        assert torch.equal(layer.get_base_layer().weight, other[name].get_base_layer().weight), name


@pytest.mark.parametrize("use_pissa", [False, True])
@pytest.mark.parametrize("rank", [8, 48])
def test_the_saved_adapter_is_plain_lora_on_the_original_base(
    use_pissa: bool, rank: int, toy_base: Path, train_config: dict[str, Any], recorder: Recorder
) -> None:
    import torch
    from peft import PeftModel

    from forge_trainer.base_model import load_tokenizer
    from forge_trainer.chat_rows import read_rows
    from forge_trainer.heldout import heldout_loss

    result = train_here({**train_config, "use_pissa": use_pissa, "rank": rank, "epochs": 1}, recorder)
    tuned = PeftModel.from_pretrained(load(toy_base), result["adapter_dir"])
    rows = read_rows(train_config["heldout_file"], load_tokenizer(toy_base), 128)
    measured = heldout_loss(tuned, rows, 2, 3)
    # The held-out loss was measured on the model in training, with its residual base.
    assert measured.loss == pytest.approx(result["heldout"]["loss"], abs=2e-5)
    base_loss = heldout_loss(load(toy_base), rows, 2, 3).loss
    assert abs(base_loss - measured.loss) > 1e-3  # it learnt something, so the equality above says something

    merged = PeftModel.from_pretrained(load(toy_base), result["adapter_dir"]).merge_and_unload()
    ids = torch.tensor([rows[0].input_ids])
    with torch.no_grad():
        assert torch.allclose(merged(input_ids=ids).logits, tuned(input_ids=ids).logits, atol=1e-4)
    saved = Path(result["adapter_dir"])
    assert (saved / "adapter_model.safetensors").is_file() and not list(saved.glob("*.bin"))


def test_the_residual_can_be_loaded_anew_under_the_adapter(toy_base: Path, train_config: dict[str, Any]) -> None:
    """What QLoRA with PiSSA does, here without the few bits: split off, save the rest, load it, adapt it again."""
    import torch

    from forge_trainer.prepare_model import _requantize

    device = torch.device("cpu")
    model = adapter.add_adapter(load(toy_base), config_of(train_config))
    present = adapter.take_tensors(model)
    base = _requantize(model.unload(), "toy", torch.float32, device, "none")
    again = adapter.add_adapter(base, config_of(train_config), None, present)
    ids = torch.arange(40).unsqueeze(0) + 300
    with torch.no_grad():
        assert torch.allclose(again(input_ids=ids).logits, load(toy_base)(input_ids=ids).logits, atol=1e-4)
