"""The settings of TRL's trainer that follow from a train config."""

from __future__ import annotations

import importlib.util
from typing import Any

from .configs import TrainConfig


def training_arguments(config: TrainConfig, device: Any, dtype: Any, work_dir: str) -> Any:
    """An SFTConfig: AdamW, cosine schedule with warm-up, no saving or evaluation of its own (ours is exact)."""
    import torch
    from trl import SFTConfig

    cuda = device.type == "cuda"
    return SFTConfig(
        output_dir=work_dir,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps if config.max_steps is not None else -1,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_ratio,  # below 1 it is a share of all steps
        weight_decay=0.0,
        max_grad_norm=1.0,
        optim="adamw_torch_fused" if cuda else "adamw_torch",
        seed=config.seed,
        data_seed=config.seed,
        bf16=dtype == torch.bfloat16,
        use_cpu=not cuda,
        gradient_checkpointing=cuda,
        use_liger_kernel=cuda and importlib.util.find_spec("liger_kernel") is not None,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=cuda,
        remove_unused_columns=True,
        max_length=None,  # rows come cut
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
