"""Checkpoints: all that a run needs to go on exactly as if it had not been interrupted, on any host, at any path.

Files: adapter.safetensors (A and B), initial.safetensors (PiSSA's first A and B), best.safetensors (the best evaluated
A and B, with early stopping), optimizer.pt (optimizer and scheduler, read with weights_only), random.safetensors,
trainer_state.json (transformers' own), state.json (the rest), metrics.jsonl (what was measured so far).
"""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import atomic
from .adapter import Tensors
from .errors import TrainerError
from .random_state import RandomState

FORMAT = 1
TRAINER_STATE = "trainer_state.json"
# An older one may still be on its way to another host when a new one is made.
KEEP = 3


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back. `progress` is what the run's measurements were at `step`."""

    directory: Path
    step: int
    epoch: float
    fingerprint: dict[str, Any]
    progress: dict[str, Any]
    adapter: Tensors
    initial: Tensors | None
    best: Tensors | None
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    random: RandomState
    metrics: str


def save_checkpoint(
    parent: Path,
    *,
    step: int,
    epoch: float,
    fingerprint: dict[str, Any],
    progress: dict[str, Any],
    adapter: Tensors,
    initial: Tensors | None,
    best: Tensors | None,
    optimizer: dict[str, Any],
    scheduler: dict[str, Any],
    random: RandomState,
    trainer_state: Any,
    metrics: str,
) -> Path:
    """Writes `parent`/step-<n> in one step and removes all but the last KEEP; gives the directory."""
    import torch

    target = parent / f"step-{step:08d}"
    state = {
        "format": FORMAT,
        "step": step,
        "epoch": epoch,
        "fingerprint": fingerprint,
        "progress": progress,
        "random": random.plain,
    }
    with atomic.new_directory(target) as work:
        _save_tensors(work / "adapter.safetensors", adapter)
        if initial is not None:
            _save_tensors(work / "initial.safetensors", initial)
        if best is not None:
            _save_tensors(work / "best.safetensors", best)
        buffer = io.BytesIO()
        torch.save({"optimizer": optimizer, "scheduler": scheduler}, buffer)
        atomic.write_bytes(work / "optimizer.pt", buffer.getvalue())
        _save_tensors(work / "random.safetensors", random.tensors)
        trainer_state.save_to_json(str(work / TRAINER_STATE))
        atomic.write_text(work / "metrics.jsonl", metrics)
        atomic.write_text(work / "state.json", json.dumps(state, allow_nan=False))
    for old in sorted(parent.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_checkpoint(directory: str) -> Checkpoint:
    """Reads a checkpoint; raises TrainerError bad_config when it is not a whole one of this format."""
    import torch

    path = Path(directory)
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        if state["format"] != FORMAT:
            raise ValueError(f"format {state['format']}, expected {FORMAT}")
        saved = torch.load(path / "optimizer.pt", map_location="cpu", weights_only=True)
        random = RandomState(plain=state["random"], tensors=_load_tensors(path / "random.safetensors"))
        if not (path / TRAINER_STATE).is_file():
            raise ValueError(f"{TRAINER_STATE} is missing")
        return Checkpoint(
            directory=path,
            step=int(state["step"]),
            epoch=float(state["epoch"]),
            fingerprint=state["fingerprint"],
            progress=state["progress"],
            adapter=_load_tensors(path / "adapter.safetensors"),
            initial=_load_if_there(path / "initial.safetensors"),
            best=_load_if_there(path / "best.safetensors"),
            optimizer=saved["optimizer"],
            scheduler=saved["scheduler"],
            random=random,
            metrics=(path / "metrics.jsonl").read_text(encoding="utf-8"),
        )
    except Exception as error:
        raise TrainerError(
            "bad_config", f"resume_from: {directory} is not a complete checkpoint ({type(error).__name__}: {error})"
        ) from error


def require_same_run(checkpoint: Checkpoint, fingerprint: dict[str, Any]) -> None:
    """Raises TrainerError bad_config naming each setting or input that differs from the checkpoint's run."""
    keys = sorted(set(fingerprint) | set(checkpoint.fingerprint))
    different = [
        f"{key} was {checkpoint.fingerprint.get(key)!r}, is {fingerprint.get(key)!r}"
        for key in keys
        if checkpoint.fingerprint.get(key) != fingerprint.get(key)
    ]
    if different:
        raise TrainerError("bad_config", f"resume_from: the checkpoint is of another run: {'; '.join(different)}")


def _save_tensors(path: Path, tensors: Tensors) -> None:
    from safetensors.torch import save

    atomic.write_bytes(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}))


def _load_tensors(path: Path) -> Tensors:
    from safetensors.torch import load_file

    return load_file(path)


def _load_if_there(path: Path) -> Tensors | None:
    return _load_tensors(path) if path.is_file() else None
