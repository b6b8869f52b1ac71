"""Goes through files and fine-tuning by the official OpenAI package, and prints what it got as one JSON object.

Usage: fine_tuning.py <base url> <training file>
"""

import json
import sys
import time

from openai import BadRequestError, NotFoundError, OpenAI

base_url, path = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key="not-needed", max_retries=0, timeout=30)
jobs = client.fine_tuning.jobs

with open(path, "rb") as stream:
    file = client.files.create(file=stream, purpose="fine-tune")
client.files.wait_for_processing(file.id, poll_interval=0.1)
job = jobs.create(
    model="ai-forge/starter",
    training_file=file.id,
    suffix="snake",
    seed=1,
    metadata={"by": "python"},
    method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": "auto"}}},
)
deadline = time.monotonic() + 60
while job.status not in ("succeeded", "failed", "cancelled") and time.monotonic() < deadline:
    time.sleep(0.1)
    job = jobs.retrieve(job.id)

errors = {}
for name, call in {
    "purpose": lambda: client.files.create(file=("a.pdf", b"%PDF"), purpose="assistants"),
    "lines": lambda: client.files.create(file=("a.jsonl", b"{\n"), purpose="fine-tune"),
    "method": lambda: jobs.create(model="ai-forge/starter", training_file=file.id, method={"type": "dpo"}),
    "file": lambda: jobs.create(model="ai-forge/starter", training_file="file-none"),
    "job": lambda: jobs.retrieve("job_none"),
}.items():
    try:
        call()
    except (BadRequestError, NotFoundError) as error:
        errors[name] = {"type": type(error).__name__, "param": error.param}

answer = client.chat.completions.create(
    model=job.fine_tuned_model, messages=[{"role": "user", "content": "Hello!"}], max_tokens=4
)
print(
    json.dumps(
        {
            "file": file.to_dict(),
            "job": job.to_dict(),
            "epochs": job.method.supervised.hyperparameters.n_epochs,
            "listed": [found.id for found in jobs.list(limit=1, metadata={"by": "python"})],
            "events": [event.type for event in jobs.list_events(job.id, limit=3)],
            "steps": [one.step_number for one in jobs.checkpoints.list(job.id, limit=1)],
            "result": client.files.content(job.result_files[0]).text.split("\n")[0],
            "contents": client.files.content(file.id).read().decode() == open(path, encoding="utf-8").read(),
            "files": [found.id for found in client.files.list(limit=1)],
            "deleted": client.files.delete(file.id).deleted,
            "answer": answer.model,
            "errors": errors,
        }
    )
)
