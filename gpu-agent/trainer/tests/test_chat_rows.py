"""Rows: the loss is on the last answer, up to its end-of-turn token; what does not fit is cut or left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import conversation, write_jsonl

from forge_trainer.base_model import load_tokenizer
from forge_trainer.chat_rows import IGNORED_LABEL, Row, make_row, read_rows
from forge_trainer.errors import TrainerError


@pytest.fixture(scope="module")
def tokenizer(toy_base: Path) -> Any:
    return load_tokenizer(toy_base)


def learnt(row: Row, tokenizer: Any) -> str:
    """The text that the loss counts."""
    ids = [i for i, label in zip(row.input_ids, row.labels, strict=True) if label != IGNORED_LABEL]
    return tokenizer.decode(ids, skip_special_tokens=False)


def test_only_the_last_answer_is_learnt(tokenizer: Any) -> None:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "first answer"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "  second\n\tanswer ü"},
    ]
    row = make_row(messages, tokenizer, 512, "row")
    assert learnt(row, tokenizer) == "  second\n\tanswer ü<|im_end|>"
    assert row.completion_tokens == sum(label != IGNORED_LABEL for label in row.labels)
    assert all(label in (IGNORED_LABEL, i) for i, label in zip(row.input_ids, row.labels, strict=True))


def test_a_long_row_keeps_the_start_of_its_completion(tokenizer: Any) -> None:
    messages = conversation("ask", "abc " * 100)["messages"]
    whole = make_row(messages, tokenizer, 10_000, "row")
    cut = make_row(messages, tokenizer, 40, "row")
    assert len(cut.input_ids) == 40
    assert cut.input_ids == whole.input_ids[:40] and cut.labels == whole.labels[:40]


def test_rows_without_a_completion_left_are_dropped_and_counted(
    tokenizer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_jsonl(tmp_path / "d.jsonl", [conversation("x " * 200, "y"), conversation("a", "b")])
    assert len(read_rows(str(path), tokenizer, 64)) == 1
    assert "1 of 2 rows" in capsys.readouterr().err
    only_long = write_jsonl(tmp_path / "long.jsonl", [conversation("x " * 200, "y")])
    with pytest.raises(TrainerError, match="no row has a completion"):
        read_rows(str(only_long), tokenizer, 64)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"messages": []}',
        '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
        '{"messages": [{"role": "user", "content": 1}, {"role": "assistant", "content": "b"}]}',
        '{"messages": [{"role": "nobody", "content": "a"}, {"role": "assistant", "content": "b"}]}',
    ],
)
def test_a_row_out_of_form_is_named_by_its_line(line: str, tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n' + line)
    with pytest.raises(TrainerError, match="line 2") as caught:
        read_rows(str(path), tokenizer, 64)
    assert caught.value.code == "bad_dataset"


def test_a_missing_file_is_a_bad_dataset(tokenizer: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainerError) as caught:
        read_rows(str(tmp_path / "none.jsonl"), tokenizer, 64)
    assert caught.value.code == "bad_dataset"
