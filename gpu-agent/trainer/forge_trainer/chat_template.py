"""Conversations as text by the model's own chat template, the same on every day.

Llama 3's template writes today's date unless it is given one. So it is given one, its own default, in training, in the
exported renderings and in the exported GGUF: a run that goes on tomorrow sees the same tokens, and a server asks the
model as it was trained. Templates that know no date ignore it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATE_VARIABLE, FIXED_DATE = "date_string", "26 Jul 2024"


def render(tokenizer: Any, messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
    """The conversation's text; with `add_generation_prompt`, up to where the answer begins."""
    return tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=add_generation_prompt, **{DATE_VARIABLE: FIXED_DATE}
    )


def fix_date(directory: Path, template: str) -> None:
    """Sets the date inside the template of a tokenizer's directory, where the template asks for one."""
    if DATE_VARIABLE not in template:
        return
    config = directory / "tokenizer_config.json"
    if config.is_file():
        # The converter prefers the template in here to that in a file of its own.
        settings = json.loads(config.read_text(encoding="utf-8"))
        settings.pop("chat_template", None)
        config.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fixed = f'{{%- set {DATE_VARIABLE} = "{FIXED_DATE}" %}}{template}'
    (directory / "chat_template.jinja").write_text(fixed, encoding="utf-8")
