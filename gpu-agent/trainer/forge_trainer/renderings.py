"""A fixed set of conversations as the trainer renders and tokenizes them, for comparing with a server's rendering."""

from __future__ import annotations

from typing import Any

from .chat_template import render

CONVERSATIONS: tuple[tuple[dict[str, str], ...], ...] = (
    ({"role": "user", "content": "What does this project do?"},),
    (
        {"role": "system", "content": "You know this repository well."},
        {"role": "user", "content": "Where are errors handled?"},
    ),
    (
        {"role": "user", "content": "Name a file."},
        {"role": "assistant", "content": "errors.ts"},
        {"role": "user", "content": "And another one?"},
    ),
    (
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three."},
        {"role": "assistant", "content": "Four."},
        {"role": "user", "content": "Five?"},
    ),
    ({"role": "user", "content": "Grüße, 世界! Ça va? Привет 🚀 e\u0301"},),
    (
        {
            "role": "user",
            "content": 'Complete this:\n\n```python\ndef add(a, b):\n    """Adds  two numbers."""\n\treturn a\n```',
        },
    ),
)


def render_all(tokenizer: Any) -> list[dict[str, Any]]:
    """Each conversation with the opening of the answer; a template that knows no system role has those left out."""
    rendered = []
    for conversation in CONVERSATIONS:
        messages = [dict(message) for message in conversation]
        try:
            text = render(tokenizer, messages, add_generation_prompt=True)
        except Exception as error:
            if messages[0]["role"] == "system" and "system" in str(error).lower():
                continue
            raise
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        rendered.append({"messages": messages, "add_generation_prompt": True, "text": text, "token_ids": ids})
    return rendered
