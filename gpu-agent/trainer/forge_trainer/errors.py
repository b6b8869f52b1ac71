"""Failures by code, as the agent sees them, and how exceptions of the libraries map to those codes."""

from __future__ import annotations

import errno
from typing import Literal, get_args

ErrorCode = Literal[
    "bad_config",
    "bad_dataset",
    "base_model_missing",
    "hub_unreachable",
    "out_of_memory",
    "non_finite_loss",
    "disk_full",
    "internal",
]
ERROR_CODES: tuple[str, ...] = get_args(ErrorCode)

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# torch's CPU allocator and safetensors' Rust writer raise without an errno: only their texts tell.
_MEMORY_TEXTS = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")
_DISK_TEXTS = ("no space left on device", "disk quota exceeded", "os error 28")


class TrainerError(Exception):
    """A failure with a code of the protocol; its message names the cause and the remedy."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code


def classify(error: BaseException) -> TrainerError:
    """Gives any exception its code: a TrainerError as it is, memory and disk by type or text, the rest internal."""
    if isinstance(error, TrainerError):
        return error
    text = str(error)
    low = text.lower()
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return TrainerError("out_of_memory", _memory_advice(text))
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return TrainerError("disk_full", f"the disk is full: {text}; free space in the data directory and resume")
    if any(part in low for part in _DISK_TEXTS):
        return TrainerError("disk_full", f"the disk is full: {text}; free space in the data directory and resume")
    if isinstance(error, RuntimeError) and any(part in low for part in _MEMORY_TEXTS):
        return TrainerError("out_of_memory", _memory_advice(text))
    return TrainerError("internal", f"{type(error).__name__}: {text}")


def _memory_advice(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else "memory ran out"
    return f"out of memory: {first}; lower batch_size, max_seq_length or rank, or load the base in 4 bits on CUDA"
