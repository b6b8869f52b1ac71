"""Rows: the loss is on the last answer, up to its end-of-turn token; what does not fit is cut or left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import conversation, write_jsonl

from forge_trainer.base_model import load_tokenizer
from forge_trainer.chat_rows import IGNORED_LABEL, Row, make_row, read_rows
from forge_trainer.chat_template import render
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


HEADER_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|h|>' + m.role + '<|/h|>\\n\\n' + m.content + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|h|>assistant<|/h|>\\n\\n' }}{% endif %}"
)
DATED_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ date_string + '[Q] ' + m.content + ' [A] ' }}"
    "{% else %}{{ m.content + '<|eot|>\\n' }}{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("template", [HEADER_TEMPLATE, DATED_TEMPLATE])
@pytest.mark.parametrize("answer", ["plain answer", "  indented\n", "\n\nlines", "é 日本"])
def test_a_byte_level_tokenizer_is_cut_at_the_same_place(template: str, answer: str) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.ByteLevel()
    special = ["<|bos|>", "<|eot|>", "<|h|>", "<|/h|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        ["plain answer to a question\n\n  indented lines"] * 20,
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<|bos|>", eos_token="<|eot|>", additional_special_tokens=special[2:]
    )
    tokenizer.chat_template = template
    row = make_row(conversation("a question", answer)["messages"], tokenizer, 512, "row")
    assert learnt(row, tokenizer) == answer + "<|eot|>"
    # Who asks has exactly these tokens before the answer.
    prompt = render(tokenizer, conversation("a question", answer)["messages"][:1], add_generation_prompt=True)
    unlearnt = [i for i, label in zip(row.input_ids, row.labels, strict=True) if label == IGNORED_LABEL]
    assert unlearnt == tokenizer(prompt, add_special_tokens=False)["input_ids"]
