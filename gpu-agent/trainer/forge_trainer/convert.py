"""Runs llama.cpp's converter on a merged model, and reads back what the GGUF says of itself."""

from __future__ import annotations

import contextlib
import logging
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import TrainerError

SCRIPT = "convert_hf_to_gguf.py"


def require_converter(converter_dir: Path) -> Path:
    """The converter's script. Raises TrainerError bad_config when it is not there."""
    script = converter_dir / SCRIPT
    if not script.is_file():
        raise TrainerError("bad_config", f"converter_dir: no {SCRIPT} in {converter_dir}; run fetch_converter.py")
    return script


def convert_to_f16(converter_dir: Path, merged: Path, target: Path) -> None:
    """Writes `target` (GGUF, F16) from the merged model's directory.

    In this process, which has torch loaded already, and which takes the converter with it when it is ended. Raises
    TrainerError bad_config when the converter does not know the model.
    """
    script = require_converter(converter_dir)
    before = sys.argv
    sys.argv = [str(script), str(merged), "--outfile", str(target), "--outtype", "f16"]
    try:
        with _modules_of(converter_dir), contextlib.redirect_stdout(sys.stderr):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raise TrainerError("bad_config", f"base_model: llama.cpp's converter refused it ({stop.code})") from stop
    except NotImplementedError as error:
        raise TrainerError("bad_config", f"base_model: llama.cpp's converter does not know it: {error}") from error
    finally:
        sys.argv = before
        logging.getLogger().setLevel(logging.WARNING)
    if not target.is_file():
        raise RuntimeError("llama.cpp's converter ended without writing the GGUF")


def read_metadata(converter_dir: Path, path: Path) -> dict[str, Any]:
    """architecture, context_length, chat_template, bos_token, eos_token of a GGUF, as written in it."""
    with _modules_of(converter_dir):
        from gguf import GGUFReader

        fields = GGUFReader(path).fields

    def value(key: str) -> Any:
        return fields[key].contents() if key in fields else None

    architecture = value("general.architecture")
    tokens = fields["tokenizer.ggml.tokens"]

    def token(key: str) -> str | None:
        index = value(key)
        return None if index is None else tokens.contents(int(index))

    return {
        "architecture": architecture,
        "context_length": value(f"{architecture}.context_length"),
        "chat_template": value("tokenizer.chat_template"),
        "bos_token": token("tokenizer.ggml.bos_token_id"),
        "eos_token": token("tokenizer.ggml.eos_token_id"),
    }


@contextlib.contextmanager
def _modules_of(converter_dir: Path) -> Iterator[None]:
    """Puts the converter's own packages (conversion, gguf) first on the module path."""
    added = [str(converter_dir), str(converter_dir / "gguf-py")]
    sys.path[:0] = added
    try:
        yield
    finally:
        for entry in added:
            sys.path.remove(entry)
