"""Reads a command's JSON configuration into a frozen dataclass, reporting every problem at once."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .errors import TrainerError

T = TypeVar("T")
MAX_CONFIG_BYTES = 1024 * 1024


def setting(*, default: Any = dataclasses.MISSING, check: Callable[[Any], str | None] | None = None) -> Any:
    """A dataclass field with a check that returns what is wrong with a value (of the right type), or None."""
    return dataclasses.field(default=default, metadata={"check": check})


def load(path: Path, kind: type[T]) -> T:
    """Reads the file at `path` as a `kind`. Raises TrainerError bad_config naming every wrong field."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise TrainerError("bad_config", f"{path.name} is larger than {MAX_CONFIG_BYTES} bytes")
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError("bad_config", f"the configuration {path} cannot be read as JSON: {error}") from error
    return parse(given, kind)


def parse(given: Any, kind: type[T]) -> T:
    """Checks a decoded JSON object against the dataclass `kind` and makes one. Raises TrainerError bad_config."""
    if not isinstance(given, dict):
        raise TrainerError("bad_config", "the configuration must be a JSON object")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    problems = [f"{name}: unknown key; known are {', '.join(fields)}" for name in given if name not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in given:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                problems.append(f"{name}: required")
            continue
        value, problem = _convert(given[name], hints[name])
        check = field.metadata.get("check")
        if problem is None and check is not None and value is not None:
            problem = check(value)
        if problem is not None:
            problems.append(f"{name}: {problem}")
        values[name] = value
    if not problems:
        made = kind(**values)
        across = getattr(made, "problems", None)
        problems = list(across()) if across is not None else []
        if not problems:
            return made
    raise TrainerError("bad_config", "; ".join(problems))


def _convert(value: Any, hint: Any) -> tuple[Any, str | None]:
    """The value as the hinted type, or what is wrong with it.

    An int where float is hinted becomes a float, a list a tuple, an object the hinted dataclass.
    """
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None, None
        return _convert(value, next(option for option in options if option is not type(None)))
    if dataclasses.is_dataclass(hint):
        try:
            return parse(value, typing.cast(type[Any], hint)), None
        except TrainerError as error:
            return value, str(error)
    if origin is typing.Literal:
        options = typing.get_args(hint)
        return value, None if value in options else f"must be one of {', '.join(map(str, options))}, not {value!r}"
    if origin is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return value, "must be a list of strings"
        return tuple(value), None
    if origin is dict:
        if not isinstance(value, dict):
            return value, "must be an object"
        return dict(value), None
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    right = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    return value, None if right else f"must be {names[hint]}, not {value!r}"


def at_least(low: float) -> Callable[[float], str | None]:
    """A check that a number is not below `low`."""
    return lambda value: None if value >= low else f"must be at least {low}, not {value}"


def between(low: float, high: float) -> Callable[[float], str | None]:
    """A check that a number lies between two others, both included."""
    return lambda value: None if low <= value <= high else f"must be between {low} and {high}, not {value}"


def above(low: float, high: float) -> Callable[[float], str | None]:
    """A check that a number is above `low` and at most `high`."""
    return lambda value: None if low < value <= high else f"must be above {low} and at most {high}, not {value}"


def not_empty(value: str | tuple[str, ...] | dict[str, Any]) -> str | None:
    """A check that a string, list or object has something in it."""
    return None if value else "must not be empty"
