"""The order of the data: every row once an epoch, fixed by seed and epoch, like lengths together."""

from __future__ import annotations

import random

import pytest

from forge_trainer.epoch_sampler import EpochSampler


@pytest.mark.parametrize(("rows", "batch"), [(103, 4), (1, 8), (8, 8), (64, 1), (5, 2)])
def test_every_row_once_in_an_order_of_its_own(rows: int, batch: int) -> None:
    lengths = [random.Random(i).randint(1, 500) for i in range(rows)]
    sampler = EpochSampler(lengths, batch, 3)
    orders = []
    for epoch in (0, 1, 0):
        sampler.epoch = epoch
        orders.append(list(sampler))
        assert sorted(orders[-1]) == list(range(rows))
    assert orders[0] == orders[2]
    assert rows < 50 or orders[0] != orders[1]
    assert rows < 50 or list(EpochSampler(lengths, batch, 4)) != orders[0]


def test_batches_hold_rows_of_like_length() -> None:
    lengths = [random.Random(i).randint(1, 500) for i in range(1024)]

    def padded(order: list[int]) -> int:
        return sum(8 * max(lengths[i] for i in order[at : at + 8]) for at in range(0, 1024, 8))

    shuffled = list(range(1024))
    random.Random(0).shuffle(shuffled)
    assert padded(list(EpochSampler(lengths, 8, 0))) < 1.1 * sum(lengths) < padded(shuffled)
