"""The order of the training rows: known before the training, from the seed and the rows' lengths alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

GROUP_BATCHES = 16


class EpochSampler(Sampler[int]):
    """Each epoch's order from the seed and the epoch's number alone, so it is the same after any interruption.

    Rows of like length come into one batch, which saves padding: the shuffled rows are sorted within groups of
    GROUP_BATCHES batches, and the batches shuffled again.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        if self._batch_size == 1:
            return iter(order)
        size = self._batch_size * GROUP_BATCHES
        grouped = []
        for at in range(0, len(order), size):
            grouped += sorted(order[at : at + size], key=self._lengths.__getitem__, reverse=True)
        batches = [grouped[at : at + self._batch_size] for at in range(0, len(grouped), self._batch_size)]
        # The last one may be smaller and must stay last: batches are cut from the sequence by count.
        moved = torch.randperm(len(batches) - 1, generator=generator).tolist()
        return iter([row for index in [*moved, len(batches) - 1] for row in batches[index]])
