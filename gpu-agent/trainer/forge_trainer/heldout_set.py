"""What a model is measured on: a JSONL file of conversations, whose last answer counts, and of raw texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .chat_rows import Row, checked_messages, json_lines, make_row, report_dropped
from .heldout import HeldoutLoss, heldout_loss
from .raw_rows import make_windows


@dataclass(frozen=True)
class Example:
    """One line of the file: its number (from 1), its row (a raw text: its windows), and whether its end is cut off."""

    line: int
    rows: list[Row]
    cut: bool

    @property
    def tokens(self) -> int:
        """How many positions the loss counts."""
        return sum(row.completion_tokens for row in self.rows)


def read_examples(path: str, tokenizer: Any, max_length: int) -> list[Example]:
    """Reads {"messages": [...]} and {"text": "..."} lines, in the file's order.

    Lines of which no token counts within `max_length` are left out and counted in the log. Raises TrainerError
    bad_dataset for a line out of form (with its number), or when none is left.
    """
    examples: list[Example] = []
    dropped = 0
    for number, value in json_lines(path):
        text = value.get("text") if isinstance(value, dict) else None
        if isinstance(text, str):
            example = Example(number, make_windows(text, tokenizer, max_length), cut=False)
        else:
            where = f"{path} line {number}"
            row = make_row(checked_messages(value, where), tokenizer, max_length, where)
            # A row that just fits may be whole; it counts as cut, which costs an example and no truth.
            example = Example(number, [row], cut=len(row.input_ids) >= max_length)
        if example.tokens > 0:
            examples.append(example)
        else:
            dropped += 1
    report_dropped(path, dropped, len(examples), max_length)
    return examples


def measure(
    model: Any, examples: list[Example], batch_size: int, pad_id: int, after_batch: Callable[[float], None]
) -> HeldoutLoss:
    """The summed loss and the tokens of each example; `after_batch` is called with the fraction done."""
    rows = [row for example in examples for row in example.rows]
    each = heldout_loss(model, rows, batch_size, pad_id, after_batch)
    nll, tokens, at = [], [], 0
    for example in examples:
        end = at + len(example.rows)
        nll.append(sum(each.nll[at:end]))
        tokens.append(sum(each.tokens[at:end]))
        at = end
    return HeldoutLoss(nll=nll, tokens=tokens)
