"""The configuration of each command; the field names are the protocol's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .settings import above, at_least, between, not_empty, setting

Quantization = Literal["none", "8bit", "4bit"]
DeviceChoice = Literal["auto", "cpu", "cuda"]
TokenCount = Literal["completion", "all"]
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class TrainConfig:
    """Fine-tuning of a base model by LoRA or PiSSA on conversations."""

    base_model: str = setting(check=not_empty)
    train_file: str = setting(check=not_empty)
    output_dir: str = setting(check=not_empty)
    revision: str | None = None
    heldout_file: str | None = None
    resume_from: str | None = None
    epochs: int = setting(default=3, check=between(1, 1000))
    learning_rate: float = setting(default=2e-4, check=above(0, 1))
    rank: int = setting(default=64, check=between(1, 4096))
    use_pissa: bool = True
    lora_alpha: float | None = setting(default=None, check=above(0, 65536))
    lora_dropout: float = setting(default=0.0, check=between(0, 0.9))
    target_modules: tuple[str, ...] | None = setting(default=None, check=not_empty)
    max_steps: int | None = setting(default=None, check=at_least(1))
    # Instead of max_steps: as many steps as it takes until so many completion tokens were trained on. The order of the
    # rows is known beforehand, so the learning rate decays over just these steps.
    max_tokens: int | None = setting(default=None, check=at_least(1))
    # Which tokens those are: of the completions, or all that go through the model, prompts too.
    max_tokens_of: TokenCount = "completion"
    max_seq_length: int = setting(default=1024, check=between(8, 1_048_576))
    batch_size: int = setting(default=1, check=between(1, 4096))
    gradient_accumulation: int = setting(default=8, check=between(1, 4096))
    # The batch_size that the order of the rows follows, where memory asks for a smaller one than was planned: with as
    # many rows to an optimizer step, each step is of the same rows, and a checkpoint from before goes on.
    order_batch_size: int | None = setting(default=None, check=between(1, 4096))
    warmup_ratio: float = setting(default=0.03, check=between(0, 0.9))
    seed: int = setting(default=0, check=between(0, MAX_SEED))
    quantization: Quantization = "none"
    # Where no number of steps is given: at each epoch's end, and when the last one is so many seconds old.
    checkpoint_every_steps: int | None = setting(default=None, check=at_least(1))
    checkpoint_every_seconds: float = setting(default=300.0, check=above(0, 86_400))
    early_stopping_patience: int | None = setting(default=None, check=at_least(1))
    evaluate_every_epoch: bool = True
    use_unsloth: bool = False
    device: DeviceChoice = "auto"
    threads: int | None = setting(default=None, check=between(1, 4096))

    @property
    def rows_in_order(self) -> int:
        """Rows of like length that follow each other in an epoch's order."""
        return self.order_batch_size or self.batch_size

    def problems(self) -> Iterator[str]:
        """What is wrong between fields."""
        if self.use_unsloth and (self.use_pissa or self.quantization == "8bit" or self.device == "cpu"):
            yield "use_unsloth: needs CUDA, use_pissa false and quantization none or 4bit"
        if self.quantization != "none" and self.device == "cpu":
            yield f"quantization: {self.quantization} needs CUDA; use none on a CPU"
        if self.max_steps is not None and self.max_tokens is not None:
            yield "max_tokens: give it or max_steps, not both"
        if self.early_stopping_patience is not None and self.heldout_file is None:
            yield "early_stopping_patience: needs a heldout_file to evaluate on"
        if self.use_pissa and self.lora_dropout > 0:
            yield "lora_dropout: must be 0 with use_pissa (the adapter carries the base's principal part)"
        if self.batch_size * self.gradient_accumulation % self.rows_in_order != 0:
            yield "order_batch_size: must divide batch_size * gradient_accumulation"
        if self.target_modules is not None and "lm_head" in self.target_modules:
            yield "target_modules: lm_head cannot be adapted, since the loss is taken from its weight directly"


def adapter_problem(given: dict[str, Any]) -> str | None:
    """What is wrong with a mapping of names to adapter directories, or None."""
    if not all(isinstance(path, str) and path for path in given.values()):
        return "must map names to adapter directories"
    bad = [name for name in given if not name.isidentifier() or name == "base"]
    return f"names must be identifiers other than base, not {', '.join(bad)}" if bad else None


@dataclass(frozen=True)
class ReferenceConfig:
    """The finished model that a new one would replace: an adapter and the base it was trained on."""

    name: str = setting(check=not_empty)
    base_model: str = setting(check=not_empty)
    adapter_dir: str = setting(check=not_empty)
    revision: str | None = None
    expected_base_model_digest: str | None = None


@dataclass(frozen=True)
class EvaluateConfig:
    """Held-out perplexity of the base model and of adapters on it, with paired bootstrap bounds.

    `general_file` is a set of raw texts that base and adapters are measured on as well. `reference` is measured on
    the same held-out examples as the only adapter, and compared with it.
    """

    base_model: str = setting(check=not_empty)
    adapters: dict[str, Any] = setting(check=adapter_problem)
    heldout_file: str = setting(check=not_empty)
    output_dir: str = setting(check=not_empty)
    revision: str | None = None
    max_seq_length: int = setting(default=1024, check=between(8, 1_048_576))
    batch_size: int = setting(default=8, check=between(1, 4096))
    seed: int = setting(default=0, check=between(0, MAX_SEED))
    bootstrap_samples: int = setting(default=10_000, check=between(100, 1_000_000))
    device: DeviceChoice = "auto"
    threads: int | None = setting(default=None, check=between(1, 4096))
    metrics_file: str | None = None
    title: str = "evaluation"
    lineage: dict[str, Any] = field(default_factory=dict)
    expected_base_model_digest: str | None = None
    general_file: str | None = setting(default=None, check=not_empty)
    reference: ReferenceConfig | None = None

    def problems(self) -> Iterator[str]:
        """What is wrong between fields."""
        if self.reference is not None and len(self.adapters) != 1:
            yield f"reference: needs exactly one adapter to compare with, not {len(self.adapters)}"
        if self.reference is not None and "reference" in self.adapters:
            yield "adapters: the name reference is taken by the reference"


@dataclass(frozen=True)
class ExportConfig:
    """Merging an adapter into its base, conversion to GGUF and quantization."""

    base_model: str = setting(check=not_empty)
    adapter_dir: str = setting(check=not_empty)
    output_dir: str = setting(check=not_empty)
    llama_library_dir: str = setting(check=not_empty)
    converter_dir: str = setting(check=not_empty)
    revision: str | None = None
    gguf_quantization: str = setting(default="Q4_K_M", check=not_empty)
    device: DeviceChoice = "auto"
    threads: int | None = setting(default=None, check=between(1, 4096))
    expected_base_model_digest: str | None = None


@dataclass(frozen=True)
class StarterConfig:
    """Pre-training of the built-in starter model on source text, for a time or a number of steps."""

    output_dir: str = setting(check=not_empty)
    corpus_dirs: tuple[str, ...] = setting(check=not_empty)
    seconds: float | None = setting(default=None, check=above(0, 86_400))
    steps: int | None = setting(default=None, check=at_least(1))
    seed: int = setting(default=0, check=between(0, MAX_SEED))
    exclude: tuple[str, ...] = ()
    threads: int | None = setting(default=None, check=between(1, 4096))

    def problems(self) -> Iterator[str]:
        """What is wrong between fields."""
        if (self.seconds is None) == (self.steps is None):
            yield "seconds, steps: give exactly one of them"
