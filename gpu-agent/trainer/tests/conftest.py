"""What the tests share: a toy base model, small data, and ways to run commands here or as a process."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

TRAINER = Path(__file__).resolve().parents[1]
REPOSITORY = TRAINER.parents[1]
COMMAND_TIMEOUT_SECONDS = 120
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
CORPUS = ("json", "email", "logging", "importlib")


class Recorder:
    """A real event stream into a file, read back as dictionaries."""

    def __init__(self, path: Path) -> None:
        from forge_trainer.events import EventStream

        self._path = path
        self.stream = EventStream(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))

    def events(self, type_: str | None = None) -> list[dict[str, Any]]:
        """All events so far, or those of one type."""
        found = [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]
        return [event for event in found if type_ is None or event["type"] == type_]

    def losses(self) -> list[float]:
        """The training loss of each optimizer step."""
        return [event["loss"] for event in self.events("metrics")]


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "events.jsonl")


@pytest.fixture
def make_recorder(tmp_path: Path) -> Callable[[], Recorder]:
    """Makes as many recorders as a test has runs."""
    made: list[Recorder] = []

    def make() -> Recorder:
        made.append(Recorder(tmp_path / f"events-{len(made)}.jsonl"))
        return made[-1]

    return make


@pytest.fixture(scope="session")
def corpus_dirs() -> list[str]:
    """Source text that every Python has."""
    return [str(STANDARD_LIBRARY / name) for name in CORPUS]


@pytest.fixture(scope="session")
def toy_base(tmp_path_factory: pytest.TempPathFactory, corpus_dirs: list[str]) -> Path:
    """A Llama of 0.2 M parameters with the starter's tokenizer, its weights random but seeded."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from forge_trainer.corpus import read_corpus
    from forge_trainer.starter_tokenizer import VOCABULARY, train_pieces, write_tokenizer

    directory = tmp_path_factory.mktemp("toy") / "base"
    directory.mkdir()
    write_tokenizer(directory, train_pieces(read_corpus(corpus_dirs, (), 0), 0, 2))
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=256,
            tie_word_embeddings=True,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=3,
            initializer_range=0.1,
        )
    )
    model.save_pretrained(directory)
    return directory


def conversation(prompt: str, completion: str) -> dict[str, Any]:
    """A dataset row of two turns."""
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]}


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes a dataset file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """ "train": 11 short rows, "heldout": 4."""
    folder = tmp_path_factory.mktemp("data")
    rows = [conversation(f"def f{i}(a, b):", f"\n    return a * {i} + b - {'x' * (i % 4)}") for i in range(15)]
    return {
        "train": write_jsonl(folder / "train.jsonl", rows[:11]),
        "heldout": write_jsonl(folder / "heldout.jsonl", rows[11:]),
    }


@pytest.fixture
def train_config(toy_base: Path, data: dict[str, Path], tmp_path: Path) -> dict[str, Any]:
    """Settings of a short run: 11 rows, 3 optimizer steps an epoch (2 + 2 + a partial one), 2 epochs."""
    return {
        "base_model": str(toy_base),
        "train_file": str(data["train"]),
        "heldout_file": str(data["heldout"]),
        "output_dir": str(tmp_path / "out"),
        "epochs": 2,
        "learning_rate": 5e-3,
        "rank": 8,
        "use_pissa": False,
        "max_seq_length": 128,
        "batch_size": 2,
        "gradient_accumulation": 2,
        "seed": 7,
        "device": "cpu",
        "threads": 1,
    }


def train_here(config: dict[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Runs the train command in this process and gives its result."""
    from forge_trainer import configs, settings
    from forge_trainer.control import Control
    from forge_trainer.train import train

    return train(settings.parse(config, configs.TrainConfig), recorder.stream, Control())


class Child:
    """A command as the agent runs it: events on descriptor 3's stand-in, control on stdin, log on stderr."""

    def __init__(self, command: str, config: dict[str, Any], folder: Path) -> None:
        path = folder / f"{command}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        reader, writer = os.pipe()
        self.log = folder / f"{command}.log"
        environment = {**os.environ, "FORGE_TRAINER_EVENTS_FD": str(writer), "PYTHONPATH": str(TRAINER)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "forge_trainer", command, "--config", str(path)],
                cwd=TRAINER,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[writer],
            )
        os.close(writer)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=[reader], daemon=True)
        self._reader.start()
        self.events: list[dict[str, Any]] = []

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8") as stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)

    def _next(self, deadline: float, awaited: str) -> dict[str, Any] | None:
        """The next event, or None when the child has closed its pipe; fails after the deadline."""
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"no {awaited} in time; {self._tail()}") from None
        if line is None:
            self._lines.put(None)
            return None
        self.events.append(json.loads(line))
        return self.events[-1]

    def _tail(self) -> str:
        return f"log:\n{self.log.read_text()[-2000:]}"

    def until(self, type_: str, seconds: float = COMMAND_TIMEOUT_SECONDS) -> dict[str, Any]:
        """Waits for the next event of that type; fails when the child ends before, or after so many seconds."""
        deadline = time.monotonic() + seconds
        while event := self._next(deadline, f"{type_} event"):
            if event["type"] == type_:
                return event
        raise AssertionError(f"no {type_} event; {self._tail()}")

    def say(self, command: str) -> None:
        """Sends a control line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": command}).encode() + b"\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Reads the remaining events and gives the exit code."""
        deadline = time.monotonic() + COMMAND_TIMEOUT_SECONDS
        while self._next(deadline, "end of the child"):
            pass
        return self.process.wait(timeout=COMMAND_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Ends the child if it still runs, and closes the pipes."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        if self.process.stdin is not None:
            self.process.stdin.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, dict[str, Any]], Child]]:
    """Starts commands as child processes; those still running at the end are killed."""
    children: list[Child] = []

    def run(command: str, config: dict[str, Any]) -> Child:
        children.append(Child(command, config, tmp_path))
        return children[-1]

    yield run
    for child in children:
        child.close()


@pytest.fixture(scope="session")
def converter_dir() -> Path:
    """llama.cpp's converter where the set-up puts it; fetched when it is not there."""
    import fetch_converter

    return fetch_converter.ensure_converter(fetch_converter.default_directory())


@pytest.fixture(scope="session")
def llama_library_dir() -> Path:
    """The CPU library of the npm package for this platform."""
    machine = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}[os.uname().machine]
    system = {"linux": f"linux-{machine}", "darwin": "mac-arm64-metal" if machine == "arm64" else "mac-x64"}
    path = REPOSITORY / "node_modules" / "@node-llama-cpp" / system[sys.platform]
    if not path.is_dir():
        pytest.skip(f"{path.name} is not installed (npm ci)")
    return path
