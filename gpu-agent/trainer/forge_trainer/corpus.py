"""Source text for the starter model: which files of a directory are worth learning from, in a seeded order."""

from __future__ import annotations

import fnmatch
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import TrainerError

SUFFIXES = frozenset(
    {".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".py", ".pyi", ".go", ".rs", ".java", ".c", ".h"}
    | {".cpp", ".hpp", ".sh", ".html", ".css", ".md", ".txt", ".json", ".toml", ".yaml", ".yml", ".proto"}
)
MIN_FILE_BYTES = 200
MAX_FILE_BYTES = 256 * 1024
MAX_CORPUS_BYTES = 24 * 1024 * 1024
# Generated and minified text has lines no person writes; a model learns nothing of use from it.
MAX_MEAN_LINE = 120
MAX_FILES = 20_000


def read_corpus(directories: Iterable[str], exclude: tuple[str, ...], seed: int) -> list[str]:
    """The texts of all fitting files below the directories, shuffled by `seed`, up to MAX_CORPUS_BYTES in all.

    `exclude` holds globs on the path relative to its directory. Raises TrainerError bad_config when a directory is
    missing, bad_dataset when nothing fits.
    """
    paths: list[Path] = []
    for directory in directories:
        root = Path(directory)
        if not root.is_dir():
            raise TrainerError("bad_config", f"corpus_dirs: {directory} is not a directory")
        paths.extend(_files(root, exclude))
    random.Random(seed).shuffle(paths)
    texts: list[str] = []
    seen: set[str] = set()
    total = 0
    for path in paths[:MAX_FILES]:
        text = _text(path)
        if text is None or text in seen:
            continue
        seen.add(text)
        texts.append(text)
        total += len(text)
        if total >= MAX_CORPUS_BYTES:
            break
    if not texts:
        raise TrainerError("bad_dataset", "corpus_dirs: no source text found; name directories with source files")
    return texts


def _files(root: Path, exclude: tuple[str, ...]) -> Iterator[Path]:
    """Fitting files in a fixed order, links not followed."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            inner = path.relative_to(root).as_posix()
            if path.suffix not in SUFFIXES or any(fnmatch.fnmatchcase(inner, glob) for glob in exclude):
                continue
            if path.is_symlink() or not MIN_FILE_BYTES <= path.stat().st_size <= MAX_FILE_BYTES:
                continue
            yield path


def _text(path: Path) -> str | None:
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    text = text.replace("\r\n", "\n")
    if "\0" in text or len(text) / (text.count("\n") + 1) > MAX_MEAN_LINE:
        return None
    return text
