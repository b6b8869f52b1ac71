"""Goes through the endpoints by the official OpenAI package and prints what it got as one JSON object.

Usage: sdk.py <base url> <model> <endpoints, with commas>
"""

import json
import sys

from openai import BadRequestError, InternalServerError, NotFoundError, OpenAI
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

base_url, model, endpoints = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
client = OpenAI(base_url=base_url, api_key="not-needed", max_retries=0, timeout=30)
short = {"model": model, "temperature": 0}
chat = {**short, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8}


def error_of(kind, call):
    """What the package raises, which must be of that kind."""
    try:
        call()
    except kind as error:
        return {"status": error.status_code, "code": error.code, "param": error.param, "message": str(error)}
    return None


def try_models():
    listed = list(client.models.list())
    assert all(isinstance(found, Model) for found in listed)
    return {
        "ids": [found.id for found in listed],
        "retrieved": client.models.retrieve(model).id,
        "missing": error_of(NotFoundError, lambda: client.models.retrieve("nobody")),
        "undeletable": error_of(NotFoundError, lambda: client.models.delete("nobody")),
    }


def try_chat():
    whole = client.chat.completions.create(**chat)
    assert isinstance(whole, ChatCompletion)
    chunks = list(client.chat.completions.create(**chat, stream=True, stream_options={"include_usage": True}))
    assert all(isinstance(chunk, ChatCompletionChunk) for chunk in chunks)
    # The helper takes an answer that a limit cut off for an error, so this one ends by itself.
    with client.chat.completions.stream(**chat, stop=whole.choices[0].message.content[3]) as stream:
        final = stream.get_final_completion()
    return {
        "model": whole.model,
        "text": whole.choices[0].message.content,
        "finish": whole.choices[0].finish_reason,
        "usage": whole.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"}),
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "streamed_usage": chunks[-1].usage.model_dump(include={"total_tokens"}),
        "helper": final.choices[0].message.content,
        "missing": error_of(NotFoundError, lambda: client.chat.completions.create(**{**chat, "model": "nobody"})),
        "bad": error_of(BadRequestError, lambda: client.chat.completions.create(**{**chat, "temperature": 9})),
        "long": error_of(BadRequestError, lambda: client.chat.completions.create(**{**chat, "messages": [{"role": "user", "content": "x" * 40_000}]})),
    }


def try_completions():
    request = {**short, "prompt": "def f", "max_tokens": 8}
    whole = client.completions.create(**request)
    assert isinstance(whole, Completion)
    return {
        "model": whole.model,
        "text": whole.choices[0].text,
        "usage": whole.usage.model_dump(include={"completion_tokens"}),
        "streamed": "".join(chunk.choices[0].text for chunk in client.completions.create(**request, stream=True) if chunk.choices),
    }


def shortened():
    """The length of a shortened embedding, or the error of a backend that shortens none."""
    lengths = []
    refused = error_of(BadRequestError, lambda: lengths.append(len(client.embeddings.create(model=model, input="def f", dimensions=4).data[0].embedding)))
    return refused or lengths[0]


def try_embeddings():
    answer = client.embeddings.create(model=model, input=["def f", "def g"])
    assert isinstance(answer, CreateEmbeddingResponse)
    plain = client.embeddings.create(model=model, input="def f", encoding_format="float")
    return {
        "model": answer.model,
        "indexes": [one.index for one in answer.data],
        "dimensions": len(answer.data[0].embedding),
        "apart": max(abs(a - b) for a, b in zip(answer.data[0].embedding, plain.data[0].embedding)),
        "short": shortened(),
        "usage": plain.usage.model_dump(),
    }


def try_responses():
    request = {**short, "input": "Hello!", "max_output_tokens": 8}
    whole = client.responses.create(**request)
    with client.responses.stream(**request) as stream:
        models = sorted({event.response.model for event in stream if hasattr(event, "response")})
        final = stream.get_final_response()
    return {"model": whole.model, "text": whole.output_text, "streamed": final.output_text, "models": models, "usage": whole.usage.output_tokens}


tried = {"chat": try_chat, "completions": try_completions, "embeddings": try_embeddings, "responses": try_responses}
result = {"models": try_models()}
for name in endpoints:
    result[name] = tried[name]()
if "responses" not in endpoints:
    result["responses"] = error_of(InternalServerError, lambda: client.responses.create(model=model, input="Hello!"))
print(json.dumps(result))
