"""The evaluate command: held-out perplexity of the base and of adapters on it, with bounds and a report."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import atomic
from .bootstrap import CONFIDENCE, Interval, relative_gain
from .configs import EvaluateConfig
from .errors import TrainerError
from .events import EventStream
from .heldout import HeldoutLoss, perplexity
from .measurement import BASE, REFERENCE, Measured, measure_all
from .reference import compare
from .report import write_report

GAIN = "1 - ppl/base_ppl"


def evaluate(config: EvaluateConfig, events: EventStream) -> dict[str, Any]:
    """Measures base and adapters on the same rows, writes report and per-example losses; gives the result's fields."""
    events.phase("loading")
    _require_adapters(config)
    measured = measure_all(config, events)
    out = Path(config.output_dir)
    out.mkdir(parents=True, exist_ok=True)
    result = _result(measured, config)
    per_example = out / "per-example.jsonl"
    atomic.write_text(per_example, "".join(_lines(measured)))
    result["per_example_path"] = str(per_example.resolve())
    result["report_path"] = str(write_report(out, config, result).resolve())
    return result


def _require_adapters(config: EvaluateConfig) -> None:
    given = {f"adapters: {name}": directory for name, directory in config.adapters.items()}
    if config.reference is not None:
        given["reference: adapter_dir"] = config.reference.adapter_dir
    missing = [name for name, directory in given.items() if not (Path(directory) / "adapter_config.json").is_file()]
    if missing:
        raise TrainerError("bad_config", f"no adapter_config.json in the folder of {'; '.join(missing)}")


def _result(measured: Measured, config: EvaluateConfig) -> dict[str, Any]:
    losses = measured.heldout
    base = losses[BASE]

    def bounds(name: str, reference: str) -> Interval:
        a, b = losses[name].nll, losses[reference].nll
        return relative_gain(a, b, base.tokens, config.bootstrap_samples, config.seed)

    adapters = {
        name: {
            **_loss(losses[name]),
            "margin": 1 - perplexity(losses[name].loss) / perplexity(base.loss),
            "bootstrap": {**_interval(bounds(name, BASE)), "statistic": GAIN},
        }
        for name in config.adapters
    }
    pairs = []
    for a, b in itertools.combinations(config.adapters, 2):
        interval = bounds(a, b)
        pairs.append(
            {
                "a": a,
                "b": b,
                "statistic": f"1 - ppl({a})/ppl({b})",
                "value": 1 - perplexity(losses[a].loss) / perplexity(losses[b].loss),
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
        **_reference(measured, config),
        **_general(measured, config),
    }


def _reference(measured: Measured, config: EvaluateConfig) -> dict[str, Any]:
    """Of the model that would be replaced, where one was given."""
    if config.reference is None:
        return {}
    (new,) = config.adapters
    compared = compare(
        measured.heldout[new],
        measured.examples,
        measured.heldout[REFERENCE],
        measured.reference_examples,
        config.bootstrap_samples,
        config.seed,
    )
    interval = _interval(compared.pop("interval"))
    return {REFERENCE: {"name": config.reference.name, **compared, "bootstrap": interval}}


def _general(measured: Measured, config: EvaluateConfig) -> dict[str, Any]:
    """Of the general text set, where one was given."""
    if measured.general_set is None:
        return {}
    base = measured.general[BASE]
    return {
        "general": {
            **measured.general_set,
            "tokens": sum(base.tokens),
            "examples": len(base.tokens),
            BASE: _loss(base),
            "adapters": {name: _loss(measured.general[name]) for name in config.adapters},
        }
    }


def _loss(measured: HeldoutLoss) -> dict[str, float]:
    return {"loss": measured.loss, "perplexity": perplexity(measured.loss)}


def _interval(interval: Interval) -> dict[str, Any]:
    return {"low": interval.low, "high": interval.high, "confidence": CONFIDENCE, "samples": interval.samples}


def _lines(measured: Measured) -> Iterator[str]:
    """For each example of the base: its tokens, and each model's loss (the reference's where it can score it)."""
    lines = {example.line: at for at, example in enumerate(measured.reference_examples)}
    for index, example in enumerate(measured.examples):
        losses: dict[str, float] = {}
        for name, part in measured.heldout.items():
            at = lines.get(example.line) if name == REFERENCE else index
            if at is not None:
                losses[f"{name}_nll"] = part.nll[at]
        yield json.dumps({"index": index, "tokens": example.tokens, **losses}) + "\n"
