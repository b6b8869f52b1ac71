"""A template that writes the date gives the same text in training, in the GGUF and on every day."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder, conversation

from forge_trainer.base_model import load_tokenizer
from forge_trainer.chat_template import fix_date, render

# The part of Llama 3.2's template that is about the date.
DATED = (
    "{%- if not date_string is defined %}"
    "{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
    "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}"
    "{{- '<|im_start|>system\\nToday: ' + date_string + '<|im_end|>\\n' }}"
    "{%- for m in messages %}{{- '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


@pytest.fixture
def dated_base(toy_base: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "dated"
    shutil.copytree(toy_base, directory)
    tokenizer = load_tokenizer(directory)
    tokenizer.chat_template = DATED
    tokenizer.save_pretrained(directory)
    return directory


def test_the_date_is_fixed_where_the_template_writes_one(dated_base: Path, toy_base: Path) -> None:
    messages = conversation("a", "b")["messages"]
    trained = render(load_tokenizer(dated_base), messages, False)
    assert "Today: 26 Jul 2024" in trained
    assert load_tokenizer(dated_base).apply_chat_template(messages, tokenize=False) != trained
    fix_date(dated_base, DATED)
    assert load_tokenizer(dated_base).apply_chat_template(messages, tokenize=False) == trained

    before = sorted((path.name, path.read_bytes()) for path in toy_base.iterdir())
    fix_date(toy_base, load_tokenizer(toy_base).chat_template)
    assert sorted((path.name, path.read_bytes()) for path in toy_base.iterdir()) == before


def test_the_gguf_holds_the_fixed_template(
    dated_base: Path,
    train_config: dict[str, Any],
    recorder: Recorder,
    tmp_path: Path,
    converter_dir: Path,
    llama_library_dir: Path,
) -> None:
    from conftest import train_here

    from forge_trainer import configs, settings
    from forge_trainer.export import export

    trained = train_here({**train_config, "base_model": str(dated_base), "max_steps": 1}, recorder)
    config = {
        "base_model": str(dated_base),
        "adapter_dir": trained["adapter_dir"],
        "output_dir": str(tmp_path / "gguf"),
        "llama_library_dir": str(llama_library_dir),
        "converter_dir": str(converter_dir),
        "gguf_quantization": "F16",
        "threads": 1,
    }
    result = export(settings.parse(config, configs.ExportConfig), recorder.stream)
    tokenizer = load_tokenizer(dated_base)
    tokenizer.chat_template = result["chat_template"]
    for rendering in result["renderings"]:
        text = tokenizer.apply_chat_template(rendering["messages"], tokenize=False, add_generation_prompt=True)
        assert text == rendering["text"] and "26 Jul 2024" in text
