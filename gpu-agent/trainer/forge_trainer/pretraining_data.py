"""The token stream the starter model is pre-trained on: source files, some of them dressed as conversations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from .starter_tokenizer import BEGIN, IM_END, IM_START

# Share of documents in chat form, so that the template's markers and an answer's end are not foreign to the model.
CHAT_SHARE = 0.3
MIN_PIECE, MAX_PIECE = 200, 2400
REQUESTS = (
    "Complete this code:\n\n{prefix}",
    "Complete the file.\n\n{prefix}",
    "Continue the following source code.\n\n{prefix}",
    "Write what comes next:\n{prefix}",
    "Complete the function below.\n\n```\n{prefix}\n```",
)


def documents(texts: list[str], seed: int) -> Iterator[str]:
    """Endless: whole files, and pieces of files as a request with its completion, in a seeded order."""
    rng = random.Random(seed)
    while True:
        order = list(range(len(texts)))
        rng.shuffle(order)
        for index in order:
            text = texts[index]
            if rng.random() < CHAT_SHARE:
                yield from _conversations(text, rng)
            else:
                yield BEGIN + text


def _conversations(text: str, rng: random.Random) -> Iterator[str]:
    """The file in pieces, each cut at a line's end into what is given and what is answered."""
    at = 0
    while at + MIN_PIECE < len(text):
        size = rng.randint(MIN_PIECE, MAX_PIECE)
        piece = text[at : at + size]
        at += size
        cut = piece.find("\n", int(len(piece) * rng.uniform(0.2, 0.7))) + 1
        if cut <= 0 or cut >= len(piece):
            continue
        request = rng.choice(REQUESTS).format(prefix=piece[:cut])
        system = f"{IM_START}system\nYou complete source code.{IM_END}\n" if rng.random() < 0.3 else ""
        yield (f"{BEGIN}{system}{IM_START}user\n{request}{IM_END}\n{IM_START}assistant\n{piece[cut:]}{IM_END}\n")


def blocks(texts: list[str], tokenizer: Any, length: int, seed: int) -> Iterator[list[int]]:
    """Endless: token rows of exactly `length`, cut out of the documents one after the other."""
    pending: list[int] = []
    for document in documents(texts, seed):
        pending.extend(tokenizer.encode(document, add_special_tokens=False))
        while len(pending) >= length:
            yield pending[:length]
            pending = pending[length:]
