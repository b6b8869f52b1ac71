"""Asks through the official OpenAI package, whole and streamed, and prints what it got as one JSON object.

Usage: chat.py <base url> <model>
"""

import json
import sys

from openai import NotFoundError, OpenAI

base_url, model = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key="not-needed", max_retries=0, timeout=20)
request = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8, "temperature": 0}

whole = client.chat.completions.create(**request)
chunks = list(client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True}))
try:
    client.chat.completions.create(**{**request, "model": "nobody"})
    missing = None
except NotFoundError as error:
    missing = {"code": error.code, "param": error.param, "message": str(error)}

print(
    json.dumps(
        {
            "models": [found.id for found in client.models.list()],
            "model": whole.model,
            "text": whole.choices[0].message.content,
            "finish": whole.choices[0].finish_reason,
            "usage": whole.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"}),
            "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
            "streamed_usage": chunks[-1].usage.model_dump(include={"total_tokens"}),
            "missing": missing,
        }
    )
)
