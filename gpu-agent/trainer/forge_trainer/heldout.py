"""Cross-entropy on held-out rows: perplexity = exp(sum of token losses / number of tokens)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .chat_rows import IGNORED_LABEL, Row

# Logits of a whole batch take rows * tokens * vocabulary * 4 bytes; above this a batch is cut down.
MAX_LOGIT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class HeldoutLoss:
    """The negative log-likelihood (natural log) of each example's completion, and its number of tokens."""

    nll: list[float]
    tokens: list[int]

    @property
    def loss(self) -> float:
        """Mean over all tokens of all examples."""
        return math.fsum(self.nll) / sum(self.tokens)

    def summary(self) -> dict[str, Any]:
        """The fields of an evaluation event."""
        return {
            "loss": self.loss,
            "perplexity": perplexity(self.loss),
            "tokens": sum(self.tokens),
            "examples": len(self.tokens),
        }


def perplexity(loss: float) -> float:
    """exp(loss), capped where a float would overflow."""
    return math.exp(min(loss, 700.0))


def heldout_loss(
    model: Any,
    rows: Sequence[Row],
    batch_size: int,
    pad_id: int,
    after_batch: Callable[[float], None] | None = None,
) -> HeldoutLoss:
    """Measures `model` (put into eval mode) on the rows, in batches of like length.

    `after_batch` is called with the fraction done. It uses no random numbers, so it changes no training run.
    """
    import torch

    model.eval()
    device = next(model.parameters()).device
    vocabulary = model.config.get_text_config().vocab_size
    order = sorted(range(len(rows)), key=lambda index: (len(rows[index].input_ids), index))
    nll = [0.0] * len(rows)
    done = 0
    with torch.inference_mode():
        for batch in _batches(order, rows, batch_size, vocabulary):
            values = _batch_nll(model, [rows[index] for index in batch], pad_id, device)
            for index, value in zip(batch, values, strict=True):
                nll[index] = value
            done += len(batch)
            if after_batch is not None:
                after_batch(done / len(rows))
    return HeldoutLoss(nll=nll, tokens=[row.completion_tokens for row in rows])


def _batches(order: list[int], rows: Sequence[Row], batch_size: int, vocabulary: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for index in order:
        size = len(rows[index].input_ids) * vocabulary * 4
        last = batches[-1] if batches else None
        if last is not None and len(last) < batch_size and size * (len(last) + 1) <= MAX_LOGIT_BYTES:
            last.append(index)
        else:
            batches.append([index])
    return batches


def _batch_nll(model: Any, rows: list[Row], pad_id: int, device: Any) -> list[float]:
    """Each row's summed completion loss; logits are made only from the first completion on."""
    import torch

    length = max(len(row.input_ids) for row in rows)
    ids = torch.full((len(rows), length), pad_id)
    labels = torch.full((len(rows), length), IGNORED_LABEL)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for i, row in enumerate(rows):
        size = len(row.input_ids)
        ids[i, :size] = torch.tensor(row.input_ids)
        labels[i, :size] = torch.tensor(row.labels)
        mask[i, :size] = 1
    first = int((labels != IGNORED_LABEL).any(dim=0).long().argmax())
    keep = min(length, length - first + 1)  # the token before the first label predicts it
    logits = model(
        input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False, logits_to_keep=keep
    ).logits
    targets = labels[:, length - keep + 1 :].to(device)
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), targets, ignore_index=IGNORED_LABEL, reduction="none"
    )
    return losses.double().sum(dim=1).tolist()
