"""Entry point: python -m forge_trainer <train|evaluate|export|starter> --config <file.json>."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path

from .control import EXIT_DONE, EXIT_FAILED, EXIT_PAUSED, Control, StopRequested
from .errors import classify
from .events import EventStream

COMMANDS = ("train", "evaluate", "export", "starter")


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit code of the protocol."""
    parser = argparse.ArgumentParser(prog="forge_trainer", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--config", required=True, type=Path)
    options = parser.parse_args(arguments)

    events = EventStream.from_environment()
    control = Control()
    # Until a training has begun its steps there is nothing to save either, and loading may take minutes.
    control.on_pause = lambda: _stop_without_checkpoint(events)
    control.listen()
    # Before torch loads OpenMP: threads that spin while they wait are ten times slower once the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        _run(options.command, options.config, events, control)
    except StopRequested:
        return EXIT_PAUSED
    except (Exception, KeyboardInterrupt) as error:
        failure = classify(error)
        if failure.code == "internal":
            traceback.print_exc(file=sys.stderr)
        events.send("error", code=failure.code, message=str(failure))
        return EXIT_FAILED
    return EXIT_DONE


def _run(command: str, config: Path, events: EventStream, control: Control) -> None:
    # Each command imports its own libraries: torch alone takes seconds.
    from . import configs, settings

    if command == "train":
        settled = settings.load(config, configs.TrainConfig)
        from .train import train

        events.result(train(settled, events, control))
    elif command == "evaluate":
        settled_evaluate = settings.load(config, configs.EvaluateConfig)
        from .evaluate import evaluate

        events.result(evaluate(settled_evaluate, events))
    elif command == "export":
        settled_export = settings.load(config, configs.ExportConfig)
        from .export import export

        events.result(export(settled_export, events))
    else:
        settled_starter = settings.load(config, configs.StarterConfig)
        from .starter import make_starter

        events.result(make_starter(settled_starter, events))


def _stop_without_checkpoint(events: EventStream) -> None:
    """Pausing what has nothing to keep: what was written so far lies in temporary names only."""
    events.send("stopped", step=0)
    os._exit(EXIT_PAUSED)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Tearing down torch and its thread pools takes a second and can change nothing any more.
    os._exit(code)
