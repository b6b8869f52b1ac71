"""Configurations: everything wrong is told at once, nothing unknown is taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from forge_trainer import configs, settings
from forge_trainer.errors import TrainerError

GOOD = {"base_model": "m", "train_file": "t", "output_dir": "o"}


def problems(given: Any) -> str:
    with pytest.raises(TrainerError) as caught:
        settings.parse(given, configs.TrainConfig)
    assert caught.value.code == "bad_config"
    return str(caught.value)


def test_defaults_are_the_contracts() -> None:
    config = settings.parse(GOOD, configs.TrainConfig)
    assert (config.epochs, config.learning_rate, config.rank, config.use_pissa) == (3, 2e-4, 64, True)
    assert (config.batch_size, config.gradient_accumulation, config.quantization) == (1, 8, "none")


def test_every_problem_is_named() -> None:
    told = problems({**GOOD, "epochs": 0, "rank": "x", "epoch": 1, "seed": True, "learning_rate": float("nan")})
    for field in ("epochs:", "rank:", "epoch: unknown", "seed:", "learning_rate:"):
        assert field in told


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantization", "2bit"),
        ("device", "tpu"),
        ("target_modules", []),
        ("target_modules", ["q_proj", 1]),
        ("target_modules", ["lm_head"]),
        ("base_model", ""),
        ("max_steps", 0),
        ("learning_rate", 0),
        ("epochs", 1.5),
    ],
)
def test_a_wrong_value_is_refused(field: str, value: Any) -> None:
    assert field in problems({**GOOD, field: value})


def test_fields_that_exclude_each_other() -> None:
    assert "quantization" in problems({**GOOD, "quantization": "4bit", "device": "cpu"})
    assert "early_stopping_patience" in problems({**GOOD, "early_stopping_patience": 1})
    assert "use_unsloth" in problems({**GOOD, "use_unsloth": True})
    assert "use_unsloth" in problems({**GOOD, "use_unsloth": True, "use_pissa": False, "quantization": "8bit"})
    assert "lora_dropout" in problems({**GOOD, "lora_dropout": 0.1})


def test_missing_fields_and_other_shapes() -> None:
    told = problems({})
    assert "base_model: required" in told and "train_file: required" in told
    assert "object" in problems([])


def test_a_starter_needs_time_or_steps() -> None:
    given = {"output_dir": "o", "corpus_dirs": ["c"]}
    for extra in ({}, {"seconds": 1, "steps": 1}):
        with pytest.raises(TrainerError, match="exactly one"):
            settings.parse({**given, **extra}, configs.StarterConfig)
    assert settings.parse({**given, "seconds": 2}, configs.StarterConfig).seconds == 2.0


def test_unsloth_is_used_only_when_asked_for_and_refused_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from forge_trainer import unsloth_model

    asked = settings.parse({**GOOD, "use_pissa": False, "use_unsloth": True}, configs.TrainConfig)
    plain = settings.parse({**GOOD, "use_pissa": False}, configs.TrainConfig)
    cuda, cpu = SimpleNamespace(type="cuda"), SimpleNamespace(type="cpu")
    for installed in (None, object()):
        monkeypatch.setattr(unsloth_model.importlib.util, "find_spec", lambda _, found=installed: found)
        assert not unsloth_model.unsloth_asked(plain, cuda)
        with pytest.raises(TrainerError, match="needs CUDA"):
            unsloth_model.unsloth_asked(asked, cpu)
        if installed is None:
            with pytest.raises(TrainerError, match="not installed"):
                unsloth_model.unsloth_asked(asked, cuda)
        else:
            assert unsloth_model.unsloth_asked(asked, cuda)
