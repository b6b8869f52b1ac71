"""Finding and loading the base model: a local directory, or a model id of the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .digest import model_digest
from .errors import TrainerError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_TIMEOUT_SECONDS = 10
# Weights as safetensors only: other formats are pickles, which run code when they are loaded.
HUB_FILES = ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt")


def find_base_model(name: str, revision: str | None) -> Path:
    """The local directory of a base model; a hub id is downloaded into the hub's cache first.

    Raises TrainerError base_model_missing (no such model, or no access), hub_unreachable (not in the cache, and the
    hub does not answer within HUB_TIMEOUT_SECONDS).
    """
    local = Path(name)
    if local.is_dir():
        if not (local / "config.json").is_file():
            raise TrainerError("base_model_missing", f"base_model: {name} holds no config.json")
        return local
    if local.is_absolute() or not HUB_ID.fullmatch(name):
        raise TrainerError("base_model_missing", f"base_model: {name} is neither a directory nor a hub id (owner/name)")
    return _from_hub(name, revision)


def find_trained_base(name: str, revision: str | None, expected_digest: str | None) -> Path:
    """The base model that an adapter was trained on: as find_base_model, and its files must be those of the training.

    Raises TrainerError as find_base_model, and base_model_missing when the files have another digest.
    """
    directory = find_base_model(name, revision)
    if expected_digest is not None and model_digest(directory) != expected_digest:
        raise TrainerError(
            "base_model_missing",
            f"base_model: {name} is not the one that was trained on any more: its files have changed; bring back the "
            "old ones, or train again",
        )
    return directory


def commit_of(directory: Path) -> str | None:
    """The commit of a base model from the hub, whose cache names its folders so; None for a directory of its own."""
    return directory.name if directory.parent.name == "snapshots" and COMMIT.fullmatch(directory.name) else None


def _from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        # One short question first: the download itself retries for minutes before it gives up.
        HfApi().model_info(name, revision=revision, timeout=HUB_TIMEOUT_SECONDS)
        # By the name as it was given: so the cache notes which commit a branch was at, and finds it without the hub.
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(HUB_FILES)))
    except RepositoryNotFoundError as error:
        raise TrainerError(
            "base_model_missing",
            f"base_model: the hub has no model {name}, or gives no access to it (set HF_TOKEN for a gated model)",
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status is not None and 400 <= status < 500 and status not in (408, 429):
            raise TrainerError("base_model_missing", f"base_model: the hub refuses {name}: {error}") from error
        cause: Exception = error
    except (OSError, TimeoutError) as error:
        cause = error
    except Exception as error:
        # httpx's errors of transport derive from Exception alone.
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2"):
            raise
        cause = error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(HUB_FILES), local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        raise TrainerError(
            "hub_unreachable",
            f"base_model: {name} is not in the local cache and the Hugging Face hub cannot be reached "
            f"({type(cause).__name__}); use a local directory or ai-forge/starter",
        ) from cause


def load_tokenizer(directory: Path) -> Any:
    """The model's tokenizer, which must have a chat template; a missing padding token becomes the end token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    if not tokenizer.chat_template:
        raise TrainerError(
            "bad_config", f"base_model: the tokenizer of {directory.name} has no chat template; use an instruct model"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(directory: Path, dtype: Any, device: Any, quantization: str = "none") -> Any:
    """The causal language model on `device`, in `dtype`, its weights held in 4 or 8 bits when asked (CUDA only)."""
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    if quantization == "none":
        return AutoModelForCausalLM.from_pretrained(directory, **options).to(device)
    if device.type != "cuda":
        raise TrainerError("bad_config", f"quantization: {quantization} needs CUDA, and this host has none; use none")
    return AutoModelForCausalLM.from_pretrained(
        directory, quantization_config=_bits(quantization, dtype), device_map={"": device.index}, **options
    )


def _bits(quantization: str, dtype: Any) -> Any:
    """QLoRA's settings (nf4, double quantization: https://arxiv.org/abs/2305.14314) or LLM.int8."""
    import importlib.util

    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise TrainerError("bad_config", "quantization: needs bitsandbytes; install requirements-cuda.txt")
    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
