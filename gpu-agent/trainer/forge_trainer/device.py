"""Where a command computes: the device, its number type, threads and the memory it took."""

from __future__ import annotations

import resource
import sys
from typing import Any

from .errors import TrainerError


def settle_device(choice: str, threads: int | None) -> Any:
    """The torch device for "auto", "cpu" or "cuda"; sets torch's threads. TrainerError when CUDA is not there."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    if choice == "cuda" and not torch.cuda.is_available():
        raise TrainerError("bad_config", "device: cuda was asked for, but this host has no usable CUDA device")
    use_cuda = choice == "cuda" or (choice == "auto" and torch.cuda.is_available())
    return torch.device("cuda", 0) if use_cuda else torch.device("cpu")


def compute_dtype(device: Any) -> Any:
    """bfloat16 on CUDA hosts that have it, float32 elsewhere (bfloat16 on a CPU is slower than float32 on many)."""
    import torch

    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def peak_memory_bytes(device: Any) -> int:
    """The most memory taken so far: the CUDA allocator's peak on CUDA, the process's resident peak on a CPU."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)  # kilobytes on Linux, bytes on macOS
