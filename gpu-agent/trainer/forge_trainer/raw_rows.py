"""Plain texts as token rows: no template, every token counts, a long text in windows that follow each other."""

from __future__ import annotations

from typing import Any

from .chat_rows import IGNORED_LABEL, Row

# A window after the first begins with this share of its length from the window before: read, and not scored again.
CONTEXT_SHARE = 0.25


def make_windows(text: str, tokenizer: Any, max_length: int) -> list[Row]:
    """Cuts a text into rows of at most `max_length` tokens that score each of its tokens once.

    Each row begins with the token that begins a text: the tokenizer's BOS, or its end token where it has none (what
    stands between two texts in pre-training). After the first window that token is followed by up to
    CONTEXT_SHARE * max_length tokens of what came right before, which are given and not scored. Markers of a chat
    template that stand in the text are text. Gives no row for a text without tokens.
    """
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    context = int(max_length * CONTEXT_SHARE)
    rows: list[Row] = []
    at = 0
    while at < len(ids):
        given = ids[max(0, at - context) : at]
        scored = ids[at : at + max_length - 1 - len(given)]
        labels = [IGNORED_LABEL] * (1 + len(given)) + scored
        rows.append(Row(input_ids=[begin, *given, *scored], labels=labels))
        at += len(scored)
    return rows
