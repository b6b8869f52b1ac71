"""The fixed texts by which a loss of general ability is seen: raw rows, known by name and SHA-256."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .chat_rows import json_lines
from .digest import file_digest
from .errors import TrainerError
from .heldout_set import Example, read_examples


def read_general(path: str, tokenizer: Any, max_length: int) -> tuple[dict[str, str], list[Example]]:
    """The set's name (of the file, without its ending) and digest, and its texts. Raises TrainerError bad_dataset."""
    for number, value in json_lines(path):
        if not isinstance(value, dict) or not isinstance(value.get("text"), str):
            raise TrainerError("bad_dataset", f"general_file: {path} line {number}: needs a text string")
    return {"name": Path(path).stem, "digest": file_digest(path)}, read_examples(path, tokenizer, max_length)
