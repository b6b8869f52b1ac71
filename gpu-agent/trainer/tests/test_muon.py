"""Muon against torch's own, which differs in number type only."""

from __future__ import annotations


def test_it_moves_as_torchs_does() -> None:
    import torch

    from forge_trainer.muon import Muon, orthogonal

    torch.manual_seed(0)
    shapes = [(64, 64), (64, 64), (128, 64), (64, 128)]
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    start = [p.detach().clone() for p in ours]
    optimizers = [Muon(ours, lr=0.02), torch.optim.Muon(theirs, lr=0.02, weight_decay=0.0)]
    for _ in range(5):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other, before in zip(ours, theirs, start, strict=True):
        moved = (mine - before).norm()
        assert moved > 0.1 and (mine - other).norm() < 0.02 * moved
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 40, 70)))
    assert values.min() > 0.6 and values.max() < 1.3
