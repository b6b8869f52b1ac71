"""Runs the models of an evaluation, one after the other, over the held-out examples and the general texts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .base_model import find_trained_base, load_model, load_tokenizer
from .configs import EvaluateConfig
from .device import compute_dtype, settle_device
from .digest import model_digest
from .events import EventStream
from .general_set import read_general
from .heldout import HeldoutLoss
from .heldout_set import Example, measure, read_examples

BASE, REFERENCE = "base", "reference"


@dataclass
class Measured:
    """Losses by model: BASE, each adapter's name, REFERENCE (whose examples are cut by its own tokenizer)."""

    examples: list[Example]
    reference_examples: list[Example]
    general_set: dict[str, str] | None = None
    heldout: dict[str, HeldoutLoss] = field(default_factory=dict)
    general: dict[str, HeldoutLoss] = field(default_factory=dict)


@dataclass(frozen=True)
class _Base:
    """A base model's folder and tokenizer, and the held-out examples by that tokenizer."""

    directory: Path
    tokenizer: Any
    examples: list[Example]


def measure_all(config: EvaluateConfig, events: EventStream) -> Measured:
    """Loads base, adapters and reference and measures them; one base model is in memory at a time.

    Raises TrainerError as find_trained_base, read_examples and read_general.
    """
    directory = find_trained_base(config.base_model, config.revision, config.expected_base_model_digest)
    reference_directory = _reference_directory(config, directory)
    device = settle_device(config.device, config.threads)
    base = _base(directory, config)
    reference = base if reference_directory == directory else _base(reference_directory, config)
    measured = Measured(base.examples, reference.examples)
    general: list[Example] = []
    if config.general_file is not None:
        measured.general_set, general = read_general(config.general_file, base.tokenizer, config.max_seq_length)

    events.phase("evaluating")
    models = 1 + len(config.adapters) + (config.reference is not None)
    for done, (name, model) in enumerate(_models(config, base, reference, device)):
        on = reference if name == REFERENCE else base
        sets = [(measured.heldout, on.examples)]
        # Of the reference only the held-out loss is asked for.
        if general and name != REFERENCE:
            sets.append((measured.general, general))
        total = sum(example.tokens for _, examples in sets for example in examples)
        start = float(done)
        for into, examples in sets:
            share = sum(example.tokens for example in examples) / total
            into[name] = measure(
                model,
                examples,
                config.batch_size,
                on.tokenizer.pad_token_id,
                lambda part, name=name, start=start, share=share: events.progress(
                    (start + part * share) / models, f"evaluating {name}"
                ),
            )
            start += share
        del model  # or the next base would be loaded beside it
    return measured


def _reference_directory(config: EvaluateConfig, directory: Path) -> Path:
    """Where the reference's base lies; the new model's own folder where the files are the same."""
    if config.reference is None:
        return directory
    other = config.reference
    found = find_trained_base(other.base_model, other.revision, other.expected_base_model_digest)
    return directory if found.samefile(directory) or model_digest(found) == model_digest(directory) else found


def _base(directory: Path, config: EvaluateConfig) -> _Base:
    tokenizer = load_tokenizer(directory)
    return _Base(directory, tokenizer, read_examples(config.heldout_file, tokenizer, config.max_seq_length))


def _models(config: EvaluateConfig, base: _Base, reference: _Base, device: Any) -> Iterator[tuple[str, Any]]:
    """The base first, untouched; then each adapter on it by itself; then the reference, on this base or its own."""
    model = load_model(base.directory, compute_dtype(device), device)
    yield BASE, model
    wrapped = None
    for name, directory in config.adapters.items():
        wrapped = _with_adapter(model, wrapped, name, directory)
        yield name, wrapped
    if config.reference is None:
        return
    if reference is not base:
        model = wrapped = None
        _free(device)
        model = load_model(reference.directory, compute_dtype(device), device)
    yield REFERENCE, _with_adapter(model, wrapped, REFERENCE, config.reference.adapter_dir)


def _with_adapter(model: Any, wrapped: Any, name: str, directory: str) -> Any:
    """The model with that adapter alone at work, beside those that were put on it before."""
    from peft import PeftModel

    if wrapped is None:
        wrapped = PeftModel.from_pretrained(model, directory, adapter_name=name)
    else:
        wrapped.load_adapter(directory, adapter_name=name)
    wrapped.set_adapter(name)
    return wrapped


def _free(device: Any) -> None:
    """Gives back the memory of models that nobody holds any more."""
    import torch

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
