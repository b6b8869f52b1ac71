"""Conversations as token rows: rendered by the model's own chat template, the loss on the last answer only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .chat_template import render
from .errors import TrainerError

IGNORED_LABEL = -100  # torch's cross-entropy skips it
MAX_LINE_BYTES = 16 * 1024 * 1024
ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Row:
    """One example. `labels` equal `input_ids` on the completion and are IGNORED_LABEL on the prompt."""

    input_ids: list[int]
    labels: list[int]

    @property
    def completion_tokens(self) -> int:
        """How many positions the loss counts (the first position is never predicted)."""
        return sum(label != IGNORED_LABEL for label in self.labels[1:])


def read_rows(path: str, tokenizer: Any, max_length: int) -> list[Row]:
    """Reads a JSONL file of {"messages": [...]} rows, cut to `max_length` tokens.

    Rows whose completion lies beyond `max_length` are left out and counted in the log. Raises TrainerError
    bad_dataset for a row out of form (with its line), or when no row is left.
    """
    rows: list[Row] = []
    dropped = 0
    for number, value in json_lines(path):
        messages = checked_messages(value, f"{path} line {number}")
        row = make_row(messages, tokenizer, max_length, f"{Path(path).name} line {number}")
        if row.completion_tokens > 0:
            rows.append(row)
        else:
            dropped += 1
    report_dropped(path, dropped, len(rows), max_length)
    return rows


def report_dropped(path: str, dropped: int, kept: int, max_length: int) -> None:
    """Says in the log how many rows were left out. Raises TrainerError bad_dataset when none was kept."""
    if dropped:
        print(
            f"trainer: {dropped} of {dropped + kept} rows of {Path(path).name} have no completion token within "
            f"max_seq_length {max_length} and are left out",
            file=sys.stderr,
        )
    if not kept:
        raise TrainerError("bad_dataset", f"{path}: no row has a completion within max_seq_length {max_length}")


def make_row(messages: list[dict[str, str]], tokenizer: Any, max_length: int, where: str) -> Row:
    """Renders one conversation and marks its last answer, from its first token to its end-of-turn token."""
    prompt = render(tokenizer, messages[:-1], add_generation_prompt=True)
    full = render(tokenizer, messages, add_generation_prompt=False)
    if not full.startswith(prompt):
        raise TrainerError(
            "bad_dataset", f"{where}: the chat template renders the prompt differently once the answer follows"
        )
    prompt_ids, ids = _tokens(tokenizer, prompt), _tokens(tokenizer, full)
    start = len(prompt_ids)
    if ids[:start] != prompt_ids:
        # A token reaches over the edge, such as the newlines of a header with the indentation of an answer. Who asks
        # has the prompt's own tokens before the answer, so that is what must be learnt. The special token in front
        # keeps SentencePiece from adding a space to the answer's beginning.
        ids = prompt_ids + _tokens(tokenizer, tokenizer.eos_token + full[len(prompt) :])[1:]
    end = _end_of_turn(ids, start, tokenizer)
    ids = ids[: min(end, max_length)]
    start = min(start, len(ids))
    return Row(input_ids=ids, labels=[IGNORED_LABEL] * start + ids[start:])


def _tokens(tokenizer: Any, text: str) -> list[int]:
    # The template writes the special tokens itself; the tokenizer must not add them a second time.
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _end_of_turn(ids: list[int], start: int, tokenizer: Any) -> int:
    """Where the completion ends: after its last special token, so that a template's closing newline is not learnt."""
    special = set(tokenizer.all_special_ids)
    for index in range(len(ids) - 1, start - 1, -1):
        if ids[index] in special:
            return index + 1
    return len(ids)


def json_lines(path: str) -> Iterator[tuple[int, Any]]:
    """The number (from 1) and value of each line that is not blank. Raises TrainerError bad_dataset."""
    try:
        with open(path, "rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise TrainerError("bad_dataset", f"{path} line {number}: longer than {MAX_LINE_BYTES} bytes")
                if line.strip():
                    yield number, _decoded(line, f"{path} line {number}")
    except OSError as error:
        raise TrainerError("bad_dataset", f"{path}: cannot be read: {error.strerror}") from error


def _decoded(line: bytes, where: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise TrainerError("bad_dataset", f"{where}: not JSON: {error}") from error


def checked_messages(row: Any, where: str) -> list[dict[str, str]]:
    """The conversation of a decoded line. Raises TrainerError bad_dataset saying what is wrong with it."""
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or len(messages) < 2:
        raise TrainerError("bad_dataset", f"{where}: messages must be a list of at least a user and an assistant turn")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise TrainerError("bad_dataset", f"{where}: each message needs a role of {', '.join(ROLES)}")
        if not isinstance(message.get("content"), str):
            raise TrainerError("bad_dataset", f"{where}: each message needs a content string")
    if messages[-1]["role"] != "assistant":
        raise TrainerError("bad_dataset", f"{where}: the last message must be the assistant's")
    return [{"role": message["role"], "content": message["content"]} for message in messages]
