"""The evaluation's report in Markdown: what was measured, of what, and the loss curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import atomic
from .configs import EvaluateConfig
from .errors import TrainerError
from .loss_curve import curve_svg, curve_table, read_curve

REPORT, CURVE = "report.md", "loss-curve.svg"


def write_report(directory: Path, config: EvaluateConfig, result: dict[str, Any]) -> Path:
    """Writes report.md (and loss-curve.svg where there is a metrics file) and gives the report's path."""
    parts = [f"# Evaluation: {_inline(config.title)}\n", _measurements(result)]
    parts += [_pairs(result), _reference(result), _general(result), _lineage(config)]
    if config.metrics_file is not None:
        parts.append(_curve(directory, config.metrics_file))
    path = directory / REPORT
    atomic.write_text(path, "\n".join(part for part in parts if part))
    return path


def _measurements(result: dict[str, Any]) -> str:
    base = result["base"]
    rows = [f"| base | {base['loss']:.4f} | {base['perplexity']:.3f} | | |\n"]
    for name, one in result["adapters"].items():
        bounds = one["bootstrap"]
        rows.append(
            f"| {name} | {one['loss']:.4f} | {one['perplexity']:.3f} | {one['margin']:.2%} "
            f"| {bounds['low']:.2%} to {bounds['high']:.2%} |\n"
        )
    bounds = next((one["bootstrap"] for one in result["adapters"].values()), None)
    how = (
        f" The bounds are the middle {bounds['confidence']:.0%} of a paired bootstrap over the examples "
        f"({bounds['samples']:,} samples)."
        if bounds
        else ""
    )
    return (
        f"Held-out data: {result['examples']:,} examples, {result['tokens']:,} completion tokens. "
        f"Perplexity is exp(mean token cross-entropy).{how}\n\n"
        "| model | loss | perplexity | below the base | 95 % bounds |\n|---|---:|---:|---:|---:|\n" + "".join(rows)
    )


def _pairs(result: dict[str, Any]) -> str:
    if not result["pairs"]:
        return ""
    rows = "".join(
        f"| {pair['statistic']} | {pair['value']:.2%} | {pair['low']:.2%} to {pair['high']:.2%} |\n"
        for pair in result["pairs"]
    )
    return f"## Adapters compared\n\n| statistic | value | 95 % bounds |\n|---|---:|---:|\n{rows}"


def _reference(result: dict[str, Any]) -> str:
    """The model that would be replaced, where one was measured."""
    if "reference" not in result:
        return ""
    one = result["reference"]
    bounds = one["bootstrap"]
    left_out = (
        f" {one['left_out']:,} more are left out: their answers do not fit whole into both models' windows."
        if one["left_out"]
        else ""
    )
    return (
        f"## Against the model it would replace\n\nMeasured on {one['examples']:,} of the same examples.{left_out} "
        "The margin is 1 - exp((sum of new losses - sum of old losses) / tokens of the new model), which is also fair "
        "to a model with another tokenizer; above 0 the new model is better.\n\n"
        "| model | loss | perplexity | margin of the new one | 95 % bounds |\n|---|---:|---:|---:|---:|\n"
        f"| {_inline(one['name'])} | {one['loss']:.4f} | {one['perplexity']:.3f} | {one['margin']:.2%} "
        f"| {bounds['low']:.2%} to {bounds['high']:.2%} |\n"
    )


def _general(result: dict[str, Any]) -> str:
    """The general text set, where it was measured."""
    if "general" not in result:
        return ""
    one = result["general"]
    base = one["base"]
    rows = [f"| base | {base['loss']:.4f} | {base['perplexity']:.3f} | |\n"]
    for name, tuned in one["adapters"].items():
        increase = tuned["perplexity"] / base["perplexity"] - 1
        rows.append(f"| {name} | {tuned['loss']:.4f} | {tuned['perplexity']:.3f} | {increase:+.2%} |\n")
    return (
        f"## General ability\n\nText set {_inline(one['name'])} (SHA-256 {one['digest']}): {one['examples']:,} texts, "
        f"{one['tokens']:,} tokens, scored as they stand. A perplexity above the base's is ability that was lost.\n\n"
        "| model | loss | perplexity | against the base |\n|---|---:|---:|---:|\n" + "".join(rows)
    )


def _lineage(config: EvaluateConfig) -> str:
    fields = {"base model": config.base_model, **config.lineage}
    rows = "".join(f"| {_inline(key)} | {_inline(value)} |\n" for key, value in fields.items())
    return f"## Lineage\n\n| | |\n|---|---|\n{rows}"


def _curve(directory: Path, metrics_file: str) -> str:
    try:
        curve = read_curve(Path(metrics_file))
    except (OSError, ValueError, KeyError) as error:
        raise TrainerError("bad_config", f"metrics_file: {metrics_file} cannot be read: {error}") from error
    if not curve.train:
        return ""
    atomic.write_text(directory / CURVE, curve_svg(curve))
    return f"## Loss curve\n\n![training and held-out loss by step]({CURVE})\n\n{curve_table(curve)}"


def _inline(value: Any) -> str:
    """Text that cannot break out of its line or table cell."""
    return str(value).replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
