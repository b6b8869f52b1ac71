"""Evaluation: perplexity by its formula, bootstrap bounds against known cases, and the report."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder, train_here

from forge_trainer import configs, settings
from forge_trainer.bootstrap import relative_gain
from forge_trainer.errors import TrainerError


def evaluate_here(config: dict[str, Any], recorder: Recorder) -> dict[str, Any]:
    from forge_trainer.evaluate import evaluate

    return evaluate(settings.parse(config, configs.EvaluateConfig), recorder.stream)


def test_two_adapters_are_measured_beside_the_base(
    train_config: dict[str, Any], toy_base: Path, tmp_path: Path, make_recorder: Callable[[], Recorder]
) -> None:
    adapters, metrics_file = {}, ""
    for name, epochs in (("tuned", 12), ("control", 1)):
        output = str(tmp_path / name)
        result = train_here({**train_config, "epochs": epochs, "output_dir": output}, make_recorder())
        adapters[name] = result["adapter_dir"]
        if name == "tuned":
            heldout, metrics_file = result["heldout"], result["metrics_file"]
    recorder = make_recorder()
    config = {
        "base_model": str(toy_base),
        "adapters": adapters,
        "heldout_file": train_config["heldout_file"],
        "output_dir": str(tmp_path / "evaluation"),
        "max_seq_length": 128,
        "batch_size": 3,
        "bootstrap_samples": 2000,
        "metrics_file": metrics_file,
        "title": "job <1> | x",
        "lineage": {"dataset": "abc"},
    }
    measured = evaluate_here(config, recorder)

    tuned, base = measured["adapters"]["tuned"], measured["base"]
    assert tuned["loss"] == pytest.approx(heldout["loss"], abs=2e-5) and measured["tokens"] == heldout["tokens"]
    assert tuned["perplexity"] == pytest.approx(math.exp(tuned["loss"]))
    assert tuned["margin"] == pytest.approx(1 - tuned["perplexity"] / base["perplexity"])
    assert 0 < tuned["bootstrap"]["low"] <= tuned["margin"] <= tuned["bootstrap"]["high"] < 1
    (pair,) = measured["pairs"]
    assert (pair["a"], pair["b"]) == ("tuned", "control") and 0 < pair["low"] <= pair["high"]

    lines = [json.loads(line) for line in Path(measured["per_example_path"]).read_text().splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2, 3]
    for name, one in (("base", base), ("tuned", tuned)):
        mean = sum(line[f"{name}_nll"] for line in lines) / sum(line["tokens"] for line in lines)
        assert mean == pytest.approx(one["loss"])

    report = Path(measured["report_path"]).read_text()
    assert "| tuned |" in report and "| control |" in report and "| dataset | abc |" in report
    assert "job &lt;1> \\| x" in report and "](loss-curve.svg)" in report
    svg = (tmp_path / "evaluation" / "loss-curve.svg").read_text()
    assert svg.count("<circle") == 12 and "<polyline" in svg
    assert recorder.events("progress")[-1]["fraction"] == 1.0
    assert evaluate_here(config, recorder) == measured


def test_a_missing_adapter_is_named(toy_base: Path, data: dict[str, Path], recorder: Recorder, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="tuned") as caught:
        evaluate_here(
            {
                "base_model": str(toy_base),
                "adapters": {"tuned": str(tmp_path)},
                "heldout_file": str(data["heldout"]),
                "output_dir": str(tmp_path),
            },
            recorder,
        )
    assert caught.value.code == "bad_config"


def test_bounds_of_a_constant_gain_are_that_gain() -> None:
    tokens = [10, 20, 30]
    base = [2.0 * n for n in tokens]
    interval = relative_gain([1.9 * n for n in tokens], base, tokens, 1000, 0)
    assert interval.low == pytest.approx(1 - math.exp(-0.1)) == interval.high


def test_bounds_agree_with_resampling_by_indices_and_with_the_normal_law() -> None:
    import numpy

    rng = numpy.random.default_rng(1)
    tokens = rng.integers(50, 150, 200)
    base = 3.0 * tokens
    tuned = base + rng.normal(-0.02, 0.2, 200) * tokens
    interval = relative_gain(list(tuned), list(base), list(tokens), 4000, 5)
    draws = rng.integers(0, 200, (4000, 200))
    plain = 1 - numpy.exp((tuned - base)[draws].sum(1) / tokens[draws].sum(1))
    low, high = numpy.quantile(plain, [0.025, 0.975])
    assert interval.low == pytest.approx(low, abs=0.003) and interval.high == pytest.approx(high, abs=0.003)
    # The ratio's delta-method standard error times 1.96 on either side.
    mean = (tuned - base).sum() / tokens.sum()
    error = numpy.sqrt(((tuned - base - mean * tokens) ** 2).sum()) / tokens.sum()
    assert interval.low == pytest.approx(1 - math.exp(mean + 1.96 * error), abs=0.005)
    assert interval.low < 1 - math.exp(mean) < interval.high


def test_a_pair_that_does_not_differ_has_bounds_on_both_sides_of_zero() -> None:
    import numpy

    rng = numpy.random.default_rng(2)
    tokens = [100] * 60
    a = list(300 + rng.normal(0, 5, 60))
    b = list(300 + rng.normal(0, 5, 60))
    interval = relative_gain(a, b, tokens, 2000, 0)
    assert interval.low < 0 < interval.high
