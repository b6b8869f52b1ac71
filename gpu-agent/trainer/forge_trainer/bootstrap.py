"""Paired bootstrap over held-out examples: how sure a difference in perplexity is.

Each of `samples` times as many examples as there are get drawn with replacement, the same ones for both models, and
the statistic is taken on them; the bounds are its percentiles. Efron and Tibshirani, An Introduction to the
Bootstrap, chapter 13; paired for two systems on one test set: Koehn 2004, https://aclanthology.org/W04-3250/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CONFIDENCE = 0.95
CHUNK = 1000


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of the resampled statistic."""

    low: float
    high: float
    samples: int


def relative_gain(
    tuned_nll: Sequence[float], base_nll: Sequence[float], tokens: Sequence[int], samples: int, seed: int
) -> Interval:
    """Bounds of 1 - perplexity(tuned) / perplexity(base); per-example summed losses (nats) and token counts."""
    import numpy

    a = numpy.asarray(tuned_nll, dtype=numpy.float64)
    b = numpy.asarray(base_nll, dtype=numpy.float64)
    n = numpy.asarray(tokens, dtype=numpy.float64)
    rng = numpy.random.default_rng(seed)
    values: list[Any] = []
    for at in range(0, samples, CHUNK):
        # How often each example is drawn: the same as drawing indices, in far less memory.
        counts = rng.multinomial(len(n), numpy.full(len(n), 1 / len(n)), size=min(CHUNK, samples - at))
        # Capped as perplexity is, where a float would overflow.
        values.append(1 - numpy.exp(numpy.minimum((counts @ (a - b)) / (counts @ n), 700.0)))
    low, high = numpy.quantile(numpy.concatenate(values), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(low=float(low), high=float(high), samples=samples)
