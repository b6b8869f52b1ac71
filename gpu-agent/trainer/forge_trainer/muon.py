"""Muon, in float32: momentum whose matrices are made orthogonal. https://kellerjordan.github.io/posts/muon/

torch.optim.Muon iterates in bfloat16, which is quick on processors that multiply it in hardware and very slow on the
others; a starter model is made on any of them. Matrices of one shape go through the iteration together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

# Newton-Schulz coefficients of the reference: steep at zero, near enough to one after five rounds.
A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """For two-dimensional parameters only; the step is lr * sqrt(max(1, rows / columns)) in spectral norm."""

    def __init__(self, parameters: Iterable[Any], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Moves every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Any]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in shapes.items():
                directions = orthogonal(torch.stack([self._nesterov(p, group["momentum"]) for p in parameters]))
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.sub_(direction, alpha=rate)

    def _nesterov(self, parameter: Any, momentum: float) -> Any:
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        mean = state["mean"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(mean, momentum)


def orthogonal(batch: Any) -> Any:
    """Matrices (count, rows, columns) with their singular values all brought near to one."""
    tall = batch.shape[-2] > batch.shape[-1]
    x = batch.mT if tall else batch
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(A * x, torch.baddbmm(B * gram, gram, gram, alpha=C), x)
    return x.mT if tall else x
