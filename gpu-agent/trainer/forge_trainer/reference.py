"""Comparing a new model with the one that it would replace, also across tokenizers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .bootstrap import relative_gain
from .errors import TrainerError
from .heldout import HeldoutLoss, perplexity
from .heldout_set import Example


def compare(
    new: HeldoutLoss,
    new_examples: Sequence[Example],
    old: HeldoutLoss,
    old_examples: Sequence[Example],
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """The reference's loss and perplexity, and how much better the new model is, on the examples both can answer.

    A token's loss depends on how the tokenizer cuts the text, an answer's summed loss does not: so margin is
    1 - exp((sum of new losses - sum of old losses) / tokens of the new model); with one tokenizer that is
    1 - perplexity / reference perplexity. Where the tokens differ, an answer cut at max_seq_length ends elsewhere in
    the text for each model, so only answers that are whole in both are compared; `left_out` counts the others.
    Raises TrainerError bad_dataset when no example is left.
    """
    places = {example.line: index for index, example in enumerate(old_examples)}
    pairs = [
        (index, places[example.line])
        for index, example in enumerate(new_examples)
        if example.line in places and _same_text(example, old_examples[places[example.line]])
    ]
    if not pairs:
        raise TrainerError(
            "bad_dataset",
            "reference: no held-out answer fits whole into max_seq_length by both tokenizers; raise max_seq_length",
        )
    tokens = [new.tokens[i] for i, _ in pairs]
    new_nll = [new.nll[i] for i, _ in pairs]
    old_nll = [old.nll[j] for _, j in pairs]
    own = HeldoutLoss(nll=old_nll, tokens=[old.tokens[j] for _, j in pairs])
    interval = relative_gain(new_nll, old_nll, tokens, samples, seed)
    lines = {example.line for example in (*new_examples, *old_examples)}
    return {
        "loss": own.loss,
        "perplexity": perplexity(own.loss),
        "margin": 1 - perplexity((math.fsum(new_nll) - math.fsum(old_nll)) / sum(tokens)),
        "interval": interval,
        "examples": len(pairs),
        "left_out": len(lines) - len(pairs),
    }


def _same_text(a: Example, b: Example) -> bool:
    """Whether the two score the same text: whole answers, or the very same tokens."""
    return not (a.cut or b.cut) or [r.input_ids for r in a.rows] == [r.input_ids for r in b.rows]
