"""The evaluate command: held-out perplexity of the base and of adapters on it, with bounds and a report."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import atomic
from .base_model import find_trained_base, load_model, load_tokenizer
from .bootstrap import CONFIDENCE, Interval, relative_gain
from .chat_rows import read_rows
from .configs import EvaluateConfig
from .device import compute_dtype, settle_device
from .errors import TrainerError
from .events import EventStream
from .heldout import HeldoutLoss, heldout_loss, perplexity
from .report import write_report

BASE = "base"
GAIN = "1 - ppl/base_ppl"


def evaluate(config: EvaluateConfig, events: EventStream) -> dict[str, Any]:
    """Measures base and adapters on the same rows, writes report and per-example losses; gives the result's fields."""
    events.phase("loading")
    missing = [n for n, path in config.adapters.items() if not (Path(path) / "adapter_config.json").is_file()]
    if missing:
        raise TrainerError("bad_config", f"adapters: no adapter_config.json in that of {', '.join(missing)}")
    base_dir = find_trained_base(config.base_model, config.revision, config.expected_base_model_digest)
    device = settle_device(config.device, config.threads)
    tokenizer = load_tokenizer(base_dir)
    rows = read_rows(config.heldout_file, tokenizer, config.max_seq_length)
    model = load_model(base_dir, compute_dtype(device), device)

    events.phase("evaluating")
    measured: dict[str, HeldoutLoss] = {}
    parts = 1 + len(config.adapters)
    for done, (name, present) in enumerate(_variants(model, config)):
        share = done / parts
        measured[name] = heldout_loss(
            present,
            rows,
            config.batch_size,
            tokenizer.pad_token_id,
            lambda part, share=share, name=name: events.progress(share + part / parts, f"evaluating {name}"),
        )

    out = Path(config.output_dir)
    out.mkdir(parents=True, exist_ok=True)
    result = _result(measured, config)
    per_example = out / "per-example.jsonl"
    atomic.write_text(per_example, "".join(_lines(measured)))
    result["per_example_path"] = str(per_example.resolve())
    result["report_path"] = str(write_report(out, config, result).resolve())
    return result


def _variants(model: Any, config: EvaluateConfig) -> Iterator[tuple[str, Any]]:
    """The base first, untouched; then each adapter on it by itself."""
    yield BASE, model
    from peft import PeftModel

    wrapped = None
    for name, directory in config.adapters.items():
        if wrapped is None:
            wrapped = PeftModel.from_pretrained(model, directory, adapter_name=name)
        else:
            wrapped.load_adapter(directory, adapter_name=name)
        wrapped.set_adapter(name)
        yield name, wrapped


def _result(measured: dict[str, HeldoutLoss], config: EvaluateConfig) -> dict[str, Any]:
    base = measured[BASE]

    def bounds(name: str, reference: str) -> Interval:
        a, b = measured[name].nll, measured[reference].nll
        return relative_gain(a, b, base.tokens, config.bootstrap_samples, config.seed)

    adapters = {}
    for name in config.adapters:
        interval = bounds(name, BASE)
        adapters[name] = {
            **_loss(measured[name]),
            "margin": 1 - perplexity(measured[name].loss) / perplexity(base.loss),
            "bootstrap": {
                "low": interval.low,
                "high": interval.high,
                "confidence": CONFIDENCE,
                "samples": interval.samples,
                "statistic": GAIN,
            },
        }
    pairs = []
    for a, b in itertools.combinations(config.adapters, 2):
        interval = bounds(a, b)
        pairs.append(
            {
                "a": a,
                "b": b,
                "statistic": f"1 - ppl({a})/ppl({b})",
                "value": 1 - perplexity(measured[a].loss) / perplexity(measured[b].loss),
                "low": interval.low,
                "high": interval.high,
            }
        )
    return {
        "tokens": sum(base.tokens),
        "examples": len(base.tokens),
        BASE: _loss(base),
        "adapters": adapters,
        "pairs": pairs,
    }


def _loss(measured: HeldoutLoss) -> dict[str, float]:
    return {"loss": measured.loss, "perplexity": perplexity(measured.loss)}


def _lines(measured: dict[str, HeldoutLoss]) -> Iterator[str]:
    for index, tokens in enumerate(measured[BASE].tokens):
        losses = {f"{name}_nll": part.nll[index] for name, part in measured.items()}
        yield json.dumps({"index": index, "tokens": tokens, **losses}) + "\n"
