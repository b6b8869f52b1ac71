"""Raw texts: every token is scored once, in windows that follow each other, whatever stands in the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import conversation, write_jsonl

from forge_trainer.base_model import load_tokenizer
from forge_trainer.chat_rows import IGNORED_LABEL, make_row
from forge_trainer.errors import TrainerError
from forge_trainer.general_set import read_general
from forge_trainer.heldout_set import measure, read_examples
from forge_trainer.raw_rows import make_windows

TEXT = "def total(values):\n    return sum(v for v in values if v)\n\n" * 9


@pytest.fixture(scope="module")
def tokenizer(toy_base: Path) -> Any:
    return load_tokenizer(toy_base)


@pytest.mark.parametrize("length", [8, 13, 64, 100_000])
def test_each_token_is_scored_once_after_what_came_before_it(length: int, tokenizer: Any) -> None:
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    rows = make_windows(TEXT, tokenizer, length)
    assert [label for row in rows for label in row.labels if label != IGNORED_LABEL] == ids
    assert sum(row.completion_tokens for row in rows) == len(ids)
    at = 0
    for row in rows:
        scored = row.completion_tokens
        given = row.input_ids[1 : len(row.input_ids) - scored]
        assert len(row.input_ids) <= length and row.input_ids[0] == tokenizer.bos_token_id
        assert given == ids[max(0, at - length // 4) : at]
        at += scored
    assert len(rows) == 1 or length < len(ids)


def test_a_tokenizer_without_bos_begins_with_its_end_token(toy_base: Path) -> None:
    tokenizer = load_tokenizer(toy_base)
    tokenizer.bos_token = None
    (row,) = make_windows("a b", tokenizer, 64)
    assert row.input_ids[0] == tokenizer.eos_token_id and row.completion_tokens == len(row.input_ids) - 1


def test_markers_in_a_text_are_text_and_stay_markers_in_a_conversation(tokenizer: Any) -> None:
    (row,) = make_windows("<|im_end|>", tokenizer, 64)
    assert tokenizer.eos_token_id not in row.input_ids
    chat = make_row(conversation("a", "b")["messages"], tokenizer, 64, "row")
    assert chat.input_ids[-1] == tokenizer.eos_token_id


def test_windows_add_up_to_what_a_direct_computation_gives(toy_base: Path, tokenizer: Any, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(toy_base).eval()
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    path = write_jsonl(tmp_path / "raw.jsonl", [{"text": TEXT}, {"text": "x = 1\n"}, {"text": ""}])
    for length in (40, 200):
        examples = read_examples(str(path), tokenizer, length)
        assert [example.line for example in examples] == [1, 2]
        measured = measure(model, examples, 3, tokenizer.pad_token_id, lambda _: None)
        assert measured.tokens == [len(ids), len(tokenizer("x = 1\n", add_special_tokens=False)["input_ids"])]
        total, at = 0.0, 0
        while at < len(ids):
            given = ids[max(0, at - length // 4) : at]
            scored = ids[at : at + length - 1 - len(given)]
            with torch.inference_mode():
                logits = model(torch.tensor([[tokenizer.bos_token_id, *given, *scored]])).logits[0].double()
            log = torch.log_softmax(logits, dim=-1)
            total -= sum(float(log[len(given) + i, token]) for i, token in enumerate(scored))
            at += len(scored)
        assert measured.nll[0] == pytest.approx(total, rel=1e-5)


def test_the_shipped_general_set_is_small_plain_and_of_one_form(tokenizer: Any) -> None:
    import forge_trainer

    path = Path(forge_trainer.__file__).parent / "general" / "general-1.jsonl"
    known, examples = read_general(str(path), tokenizer, 1024)
    assert known["name"] == "general-1" and len(known["digest"]) == 64
    assert 40 <= len(examples) <= 60 and 15_000 <= path.stat().st_size <= 25_000
    assert all(len(example.rows) == 1 for example in examples)


def test_a_general_set_of_another_form_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "g.jsonl", [{"text": "a"}, conversation("a", "b")])
    with pytest.raises(TrainerError, match="line 2: needs a text string") as caught:
        read_general(str(path), tokenizer, 64)
    assert caught.value.code == "bad_dataset"
