"""The train command: load, train with checkpoints and evaluations, write the adapter."""

from __future__ import annotations

import dataclasses
import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import adapter, atomic
from .base_model import commit_of, find_base_model, load_tokenizer
from .chat_rows import Row, read_rows
from .checkpoint import Checkpoint, load_checkpoint, require_same_run
from .configs import TrainConfig
from .control import Control, StopRequested
from .device import compute_dtype, peak_memory_bytes, settle_device
from .digest import file_digest, model_digest
from .errors import TrainerError
from .events import EventStream

ADAPTER = "adapter"
METRICS_FILE = "metrics.jsonl"
# What must be the same for a checkpoint to be gone on from.
RUN_FIELDS = (
    "epochs",
    "learning_rate",
    "rank",
    "use_pissa",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "max_steps",
    "max_tokens",
    "max_tokens_of",
    "max_seq_length",
    "batch_size",
    "gradient_accumulation",
    "warmup_ratio",
    "seed",
    "quantization",
)


def train(config: TrainConfig, events: EventStream, control: Control) -> dict[str, Any]:
    """Fine-tunes and gives the result's fields. Raises StopRequested after a pause, its checkpoint saved and told."""
    from .training_run import Plan, TrainingRun, stop_unchanged

    events.phase("loading")
    checkpoint = load_checkpoint(config.resume_from) if config.resume_from else None
    try:
        base_dir = find_base_model(config.base_model, config.revision)
        control.check()
        device = settle_device(config.device, config.threads)
        dtype = compute_dtype(device)
        tokenizer = load_tokenizer(base_dir)
        rows = read_rows(config.train_file, tokenizer, config.max_seq_length)
        heldout = read_rows(config.heldout_file, tokenizer, config.max_seq_length) if config.heldout_file else None
        fingerprint = _fingerprint(config, base_dir)
        if checkpoint is not None:
            require_same_run(checkpoint, fingerprint)
        control.check()
        from .prepare_model import prepare_model

        prepared = prepare_model(config, base_dir, device, dtype, checkpoint)
        control.check()
    except StopRequested:
        stop_unchanged(events, checkpoint)
        raise

    plan = Plan.of(config, rows)
    # To transformers a number of tokens is the number of steps that it takes.
    settled = config if config.max_tokens is None else dataclasses.replace(config, max_steps=plan.total_steps)
    run = TrainingRun(config, events, control, plan, prepared, heldout, fingerprint, checkpoint)
    with tempfile.TemporaryDirectory(prefix="forge-trainer-") as scratch:
        run.attach(_trainer(settled, run, prepared.model, tokenizer, rows, device, dtype, checkpoint, scratch))
        trainable, total = _count_parameters(prepared.model)
        events.send(
            "plan",
            total_steps=plan.total_steps,
            steps_per_epoch=plan.steps_per_epoch,
            epochs=config.epochs,
            train_examples=len(rows),
            train_tokens=sum(row.completion_tokens for row in rows),
            heldout_examples=len(heldout) if heldout else 0,
            trainable_parameters=trainable,
            total_parameters=total,
        )
        # From here on a pause is for the run to heed, which saves.
        control.on_pause = None
        events.phase("training")
        run.execute()
    adapter_dir = Path(config.output_dir) / ADAPTER
    versions = package_versions()
    _write_adapter(adapter_dir, config, run, prepared, tokenizer, versions)
    losses = run.metrics.epoch_losses(plan.steps_per_epoch, run.step)
    return {
        "adapter_dir": str(adapter_dir.resolve()),
        "train_loss": run.metrics.last_loss(),
        "final_loss": run.heldout["loss"] if run.heldout else sum(losses) / len(losses),
        "heldout": run.heldout,
        "steps": run.step,
        "epochs": round(run.epoch, 6),
        "tokens_seen": run.metrics.tokens_seen,
        "all_tokens": run.metrics.all_tokens,
        "seconds": round(run.metrics.seconds, 3),
        "tokens_per_second": round(run.metrics.all_tokens / run.metrics.seconds, 1),
        "peak_memory_bytes": peak_memory_bytes(device),
        "package_versions": versions,
        "base_model_digest": fingerprint["base_model_digest"],
        "base_model_revision": commit_of(base_dir),
        "metrics_file": str((adapter_dir / METRICS_FILE).resolve()),
    }


def package_versions() -> dict[str, str]:
    """The versions that the outcome depends on."""
    return {
        **{name: version(name) for name in ("torch", "transformers", "peft", "trl")},
        "python": platform.python_version(),
    }


def _fingerprint(config: TrainConfig, base_dir: Path) -> dict[str, Any]:
    given = dataclasses.asdict(config)
    fields = {name: list(v) if isinstance(v := given[name], tuple) else v for name in RUN_FIELDS}
    return {
        **fields,
        # As they were planned: memory that ran out makes no other run of it.
        "batch_size": config.rows_in_order,
        "gradient_accumulation": config.batch_size * config.gradient_accumulation // config.rows_in_order,
        "base_model_digest": model_digest(base_dir),
        "train_file": _dataset_digest(config.train_file),
        "heldout_file": _dataset_digest(config.heldout_file) if config.heldout_file else None,
    }


def _dataset_digest(path: str) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise TrainerError("bad_dataset", f"{path}: cannot be read: {error.strerror}") from error


def _trainer(
    config: TrainConfig,
    run: Any,
    model: Any,
    tokenizer: Any,
    rows: list[Row],
    device: Any,
    dtype: Any,
    checkpoint: Checkpoint | None,
    scratch: str,
) -> Any:
    from datasets import Dataset

    from .forge_sft import ForgeTrainer
    from .training_arguments import training_arguments

    return ForgeTrainer(
        seed=config.seed,
        order_batch_size=config.rows_in_order,
        checkpoint=checkpoint,
        metrics=run.metrics,
        before_micro_step=run.before_micro_step,
        after_step=run.after_step,
        after_epoch=run.after_epoch,
        model=model,
        args=training_arguments(config, device, dtype, scratch),
        train_dataset=Dataset.from_dict(
            {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
        ),
        processing_class=tokenizer,
    )


def _count_parameters(model: Any) -> tuple[int, int]:
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(size for size, trainable in sizes if trainable), sum(size for size, _ in sizes)


def _write_adapter(
    directory: Path, config: TrainConfig, run: Any, prepared: Any, tokenizer: Any, versions: dict[str, str]
) -> None:
    trained = run.best if run.best is not None else adapter.take_tensors(prepared.model)
    adapter.require_finite(trained, run.step)
    with atomic.new_directory(directory) as work:
        adapter.save_plain_lora(prepared.model, work, config.base_model, trained, prepared.initial)
        tokenizer.save_pretrained(str(work))
        about = {"config": dataclasses.asdict(config), "package_versions": versions, "steps": run.step}
        atomic.write_text(work / "forge.json", json.dumps(about, indent=2) + "\n")
        atomic.write_text(work / METRICS_FILE, run.metrics.text())
