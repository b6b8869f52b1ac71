"""Gets llama.cpp's Hugging Face to GGUF converter (Python only; nothing is compiled).

The converter travels in the source distribution of llama-cpp-python. pip fetches that file (so the machine's own
index, proxy and certificate settings hold), its SHA-256 is checked against the pin below, and the converter's files
are unpacked into one directory. A marker file named after the pin makes a second call a no-op; the directory appears
by a rename, so a killed call leaves nothing half-done.

    python fetch_converter.py [directory]        default: share/llama-converter in the Python environment

Prints the directory. Exit status 1 with the cause on stderr when it cannot be had.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
MARKER = f".complete-{VERSION}-{SHA256[:12]}"

SCRIPT = "convert_hf_to_gguf.py"
FOLDERS = ("conversion", "gguf-py/gguf")
WANTED_SUFFIXES = (".py", ".typed")
DOWNLOAD_TIMEOUT_SECONDS = 600
MAX_UNPACKED_BYTES = 64 * 1024 * 1024


def default_directory() -> Path:
    """The converter's place inside the running Python environment."""
    return Path(sys.prefix) / "share" / "llama-converter"


def ensure_converter(directory: Path) -> Path:
    """Returns `directory`, filled with the pinned converter (fetched when it is not there yet).

    Raises RuntimeError when the package cannot be fetched, its hash differs, or it lacks the converter.
    """
    if (directory / MARKER).is_file():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".llama-converter-", dir=directory.parent))
    try:
        archive = _download(work)
        _verify(archive)
        fresh = work / "fresh"
        _unpack(archive, fresh)
        (fresh / MARKER).write_text("", encoding="utf-8")
        _replace(fresh, directory, work / "old")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return directory


def _download(work: Path) -> Path:
    """Fetches the source distribution with pip into `work` and returns its path."""
    pins = work / "pin.txt"
    pins.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    # Without isolation pip asks the build backend of this environment for the metadata and builds nothing.
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation", "--require-hashes",
        "--no-binary", PACKAGE, "--disable-pip-version-check", "--dest", str(work), "--requirement", str(pins),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{PACKAGE} {VERSION} was not fetched within {DOWNLOAD_TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        raise RuntimeError(f"pip could not fetch {PACKAGE} {VERSION}:\n{done.stderr.strip()}")
    found = sorted(work.glob("*.tar.gz"))
    if len(found) != 1:
        raise RuntimeError(f"pip left {len(found)} source distributions of {PACKAGE} {VERSION}, expected one")
    return found[0]


def _verify(archive: Path) -> None:
    """Checks the file's SHA-256 against the pin (pip did so too; this holds for whatever client fetched it)."""
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != SHA256:
        raise RuntimeError(f"{archive.name} has SHA-256 {digest}, expected {SHA256}")


def _wanted(member: str) -> PurePosixPath | None:
    """Where in the converter's directory a file of the archive belongs; None for what is not needed."""
    parts = PurePosixPath(member).parts
    if len(parts) < 4 or parts[1:3] != ("vendor", "llama.cpp") or ".." in parts:
        return None
    inner = PurePosixPath(*parts[3:])
    if str(inner) in (SCRIPT, "LICENSE"):
        return inner
    in_folder = any(inner.is_relative_to(folder) for folder in FOLDERS)
    return inner if in_folder and inner.suffix in WANTED_SUFFIXES else None


def _unpack(archive: Path, target: Path) -> None:
    """Copies the converter's regular files (never links) out of the archive, up to a total size."""
    total = 0
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            inner = _wanted(member.name) if member.isfile() else None
            if inner is None:
                continue
            total += member.size
            if total > MAX_UNPACKED_BYTES:
                raise RuntimeError(f"the converter in {archive.name} is larger than {MAX_UNPACKED_BYTES} bytes")
            path = target / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, path.open("wb") as sink:  # type: ignore[union-attr]
                shutil.copyfileobj(source, sink)
    for needed in (SCRIPT, *FOLDERS):
        if not (target / needed).exists():
            raise RuntimeError(f"{archive.name} holds no {needed}; the pin does not fit this program")


def _replace(fresh: Path, directory: Path, old: Path) -> None:
    """Puts `fresh` in the directory's place; two callers at once are both right, since both are the same pin."""
    try:
        if directory.exists():
            os.rename(directory, old)
        os.rename(fresh, directory)
    except OSError:
        if not (directory / MARKER).is_file():
            raise


def main(arguments: list[str]) -> int:
    if len(arguments) > 1:
        print("usage: fetch_converter.py [directory]", file=sys.stderr)
        return 2
    directory = Path(arguments[0]).resolve() if arguments else default_directory()
    try:
        print(ensure_converter(directory))
    except (RuntimeError, OSError, tarfile.TarError) as error:
        print(f"fetch_converter: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
