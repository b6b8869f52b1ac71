"""The digest by which a base model is known: the same files give the same digest, wherever they lie."""

from __future__ import annotations

import hashlib
from pathlib import Path

SUFFIXES = (".safetensors", ".json", ".model", ".jinja", ".txt")
# Written by tools for themselves; they change nothing in what the model computes.
IGNORED = ("trainer_state.json",)


def file_digest(path: str | Path) -> str:
    """SHA-256 (hex) of one file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def model_digest(directory: Path) -> str:
    """SHA-256 (hex) over the name, size and SHA-256 of each weight, config and tokenizer file, in order of name."""
    total = hashlib.sha256()
    for path in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if path.suffix not in SUFFIXES or path.name in IGNORED or not path.is_file():
            continue
        total.update(f"{path.name}\0{path.stat().st_size}\0{file_digest(path)}\n".encode())
    return total.hexdigest()
