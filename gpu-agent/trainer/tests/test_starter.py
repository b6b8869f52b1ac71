"""The starter command as the agent runs it: a model that learns, in one piece, reproducible by steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import Child, Recorder

from forge_trainer import configs, settings
from forge_trainer.digest import model_digest

STEPS = 6


def starter_here(config: dict[str, Any], recorder: Recorder) -> dict[str, Any]:
    from forge_trainer.starter import make_starter

    return make_starter(settings.parse(config, configs.StarterConfig), recorder.stream)


def test_a_starter_is_made_and_can_chat(
    corpus_dirs: list[str], tmp_path: Path, start: Callable[[str, dict[str, Any]], Child]
) -> None:
    config = {"output_dir": str(tmp_path / "starter"), "corpus_dirs": corpus_dirs, "steps": STEPS, "threads": 1}
    child = start("starter", config)
    result = child.until("result")
    assert child.end() == 0
    assert result["steps"] == STEPS and result["tokens_seen"] == STEPS * 8 * 256
    assert 2_000_000 < result["parameters"] < 2_500_000
    assert result["loss"] < 7.6  # ln(2048) = 7.62 before the first step
    assert result["digest"] == model_digest(tmp_path / "starter")
    assert [path.name for path in tmp_path.glob(".starter*")] == []

    from transformers import AutoModelForCausalLM

    from forge_trainer.base_model import load_tokenizer

    tokenizer = load_tokenizer(tmp_path / "starter")
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text and ids.count(tokenizer.eos_token_id) == 1
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "starter")
    assert model.config.eos_token_id == tokenizer.eos_token_id == 2


def test_steps_and_seed_fix_the_model(corpus_dirs: list[str], tmp_path: Path, recorder: Recorder) -> None:
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        config = {"output_dir": str(tmp_path / name), "corpus_dirs": corpus_dirs[:1], "steps": 2, "seed": seed}
        digests.append(starter_here({**config, "threads": 1}, recorder)["digest"])
    assert digests[0] == digests[1] != digests[2]


def test_excluded_files_and_generated_text_are_not_learnt(tmp_path: Path) -> None:
    from forge_trainer.corpus import read_corpus

    (tmp_path / "kept.py").write_text("def kept():\n    return 1\n" * 20)
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "out.py").write_text("def left_out():\n    return 1\n" * 20)
    (tmp_path / "min.js").write_text("x=1;" * 500)
    (tmp_path / "binary.py").write_bytes(b"\xff\x00" * 500)
    (tmp_path / "small.py").write_text("x = 1\n")
    texts = read_corpus([str(tmp_path)], ("left/*",), 0)
    assert len(texts) == 1 and "kept" in texts[0]


def test_pausing_a_starter_leaves_nothing(
    corpus_dirs: list[str], tmp_path: Path, start: Callable[[str, dict[str, Any]], Child]
) -> None:
    child = start("starter", {"output_dir": str(tmp_path / "starter"), "corpus_dirs": corpus_dirs, "seconds": 600})
    child.until("progress")
    child.say("pause")
    assert child.end() == 75
    assert child.events[-1] == {"type": "stopped", "step": 0}
    assert not (tmp_path / "starter").exists()
    for left in tmp_path.glob(".starter*"):
        shutil.rmtree(left)
