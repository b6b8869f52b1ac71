"""The state of every random number generator, as plain data and tensors: nothing in it is a pickle."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RandomState:
    """`plain` is JSON (Python's and numpy's generators); `tensors` are torch's, of the CPU and of CUDA."""

    plain: dict[str, Any]
    tensors: dict[str, Any]


def take() -> RandomState:
    """The present state of all generators."""
    import numpy
    import torch

    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = numpy.random.get_state(legacy=True)
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    plain = {
        "python": [version, list(words), gauss],
        "numpy": [kind, [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
    }
    return RandomState(plain=plain, tensors=tensors)


def restore(state: RandomState) -> None:
    """Sets all generators; a state without CUDA (taken on a CPU host) leaves CUDA's as it is."""
    import numpy
    import torch

    version, words, gauss = state.plain["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, position, has_gauss, cached = state.plain["numpy"]
    numpy.random.set_state((kind, numpy.array(keys, dtype=numpy.uint32), position, has_gauss, cached))
    torch.set_rng_state(state.tensors["cpu"])
    if "cuda" in state.tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(state.tensors["cuda"])
