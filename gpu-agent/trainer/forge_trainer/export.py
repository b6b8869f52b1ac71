"""The export command: merge the adapter, convert to GGUF, quantize, load once to prove it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from .base_model import find_trained_base, load_model, load_tokenizer
from .chat_template import fix_date
from .configs import ExportConfig
from .convert import convert_to_f16, read_metadata, require_converter
from .device import settle_device
from .digest import file_digest
from .errors import TrainerError
from .events import EventStream
from .llama_library import FTYPES, LlamaLibrary
from .renderings import render_all

WEIGHTS = (".safetensors", ".safetensors.index.json")
F16_LIMIT = 65504.0  # the largest finite float16
CHECK_CONTEXT = 64


def export(config: ExportConfig, events: EventStream) -> dict[str, Any]:
    """Writes model-f16.gguf and the quantized file to `output_dir`; gives the result's fields."""
    quantization = config.gguf_quantization.upper()
    if quantization not in FTYPES:
        known = ", ".join(FTYPES)
        raise TrainerError("bad_config", f"gguf_quantization: {config.gguf_quantization} is none of {known}")
    adapter_dir, converter_dir = Path(config.adapter_dir), Path(config.converter_dir)
    if not (adapter_dir / "adapter_config.json").is_file():
        raise TrainerError("bad_config", f"adapter_dir: no adapter_config.json in {adapter_dir}")
    require_converter(converter_dir)
    library = LlamaLibrary(Path(config.llama_library_dir))
    out = Path(config.output_dir)
    out.mkdir(parents=True, exist_ok=True)
    f16_path = out / "model-f16.gguf"
    gguf_path = f16_path if quantization == "F16" else out / f"model-{quantization.lower()}.gguf"

    base_dir = find_trained_base(config.base_model, config.revision, config.expected_base_model_digest)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as scratch:
        merged = Path(scratch, "merged")
        events.phase("merging")
        events.progress(0.0, "merging the adapter into the base model")
        stop_ids = _merge(base_dir, adapter_dir, merged, config)
        fix_date(merged, load_tokenizer(base_dir).chat_template)
        events.phase("converting")
        events.progress(0.4, "converting to GGUF")
        fresh = Path(scratch, f16_path.name)
        convert_to_f16(converter_dir, merged, fresh)
        os.replace(fresh, f16_path)
        shutil.rmtree(merged)
        if gguf_path != f16_path:
            events.phase("quantizing", quantization)
            events.progress(0.7, f"quantizing to {quantization}")
            quantized = Path(scratch, gguf_path.name)
            library.quantize(f16_path, quantized, quantization, config.threads or os.cpu_count() or 1)
            os.replace(quantized, gguf_path)

    events.progress(0.9, "loading the result to check it")
    tokenizer = load_tokenizer(base_dir)
    renderings = render_all(tokenizer)
    _prove(library, gguf_path, renderings)
    return {
        "gguf_path": str(gguf_path.resolve()),
        "f16_path": str(f16_path.resolve()),
        "gguf_sha256": file_digest(gguf_path),
        "gguf_size": gguf_path.stat().st_size,
        "quantization": quantization,
        **read_metadata(converter_dir, gguf_path),
        "stop_tokens": _stop_tokens(tokenizer, stop_ids),
        "renderings": renderings,
    }


def _merge(base_dir: Path, adapter_dir: Path, merged: Path, config: ExportConfig) -> list[int]:
    """Saves base plus adapter (summed in float32, kept in 16 bits) with the base's tokenizer; gives the end tokens."""
    import torch
    from peft import PeftModel

    settle_device("cpu", config.threads)
    base = load_model(base_dir, torch.float32, torch.device("cpu"))
    model = PeftModel.from_pretrained(base, str(adapter_dir)).merge_and_unload()
    largest = max(float(parameter.detach().abs().max()) for parameter in model.parameters())
    model.to(torch.float16 if largest < F16_LIMIT else torch.bfloat16)
    end = model.generation_config.eos_token_id if model.generation_config else None
    model.save_pretrained(merged)
    # The tokenizer's files as they are: the converter identifies a tokenizer by what its makers published.
    for path in base_dir.iterdir():
        if path.is_file() and not path.name.endswith(WEIGHTS) and not (merged / path.name).exists():
            shutil.copyfile(path, merged / path.name)
    return [end] if isinstance(end, int) else list(end or [])


def _stop_tokens(tokenizer: Any, end_ids: list[int]) -> list[str]:
    """The tokens that end an answer: the tokenizer's and those of the generation settings, each once."""
    ids = [tokenizer.eos_token_id, *end_ids]
    return list(dict.fromkeys(tokenizer.convert_ids_to_tokens(i) for i in ids if i is not None))


def _prove(library: LlamaLibrary, path: Path, renderings: list[dict[str, Any]]) -> None:
    """Loads the file and computes once: a GGUF that llama.cpp cannot run must not be called exported."""
    with library.load(path, CHECK_CONTEXT) as model:
        ids = renderings[0]["token_ids"][:CHECK_CONTEXT]
        last = model.logits(ids)[-1]
        if not all(value == value and abs(value) != float("inf") for value in last):
            raise TrainerError("non_finite_loss", f"{path.name} computes values that are not finite")
