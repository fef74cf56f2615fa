"""What may be logged: numbers, texts, dicts of them; told from what cannot be kept or is for another call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runstone.journal.frames import StepType
from runstone.model.errors import Invalid
from runstone.model.names import clean, metric_name

MAX_TEXT = 1024 * 1024
MAX_DEPTH = 16
Kind = Literal["float", "int", "bool", "text", "large", "none"]

# Where values of another kind belong, by the name of their type.
_CALLS = {
    "list": "Use run.log_list instead",
    "tuple": "Use run.log_list instead",
    "set": "Use run.log_list instead",
    "frozenset": "Use run.log_list instead",
    "range": "Use run.log_list instead",
    "generator": "Use run.log_list instead",
    "Series": "Use run.log_list instead",
    "DataFrame": "Use run.log_table instead",
    "Figure": "Use run.log_image(name, plot=figure) instead",
    "Image": "Use run.log_image instead",
    "complex": "Log the real and the imaginary part as two metrics instead",
    "bytes": "Decode it to text, or use run.upload_file instead",
    "datetime": "Use its timestamp() or its isoformat() instead",
}


class Unkeepable(Exception):
    """A value of the right kind that no journal can hold; the call goes on without it."""


@dataclass(frozen=True)
class Value:
    """One value under its name; ``coerced`` says that it was made a number, or its name a text."""

    name: str
    kind: Kind
    value: Any
    coerced: bool = False


def flatten(metrics: Mapping[Any, Any]) -> Iterator[tuple[str, Any, bool]]:
    """Name, value, whether the name was coerced, of each entry; names within dicts are joined by ``/``."""
    return _flat(metrics, "", coerced=False, depth=1)


def classify(name: str, value: object, *, coerced: bool = False) -> Value:
    """What a value is; Unkeepable when it cannot be kept, Invalid when it belongs to another call."""
    if value is None:
        return Value(name, "none", None, coerced)
    if isinstance(value, bool):
        return Value(name, "bool", value, coerced)
    if isinstance(value, int):
        return Value(name, "int" if fits(value) else _large(value), int(value), coerced)
    if isinstance(value, float):
        return Value(name, "float", float(value), coerced)
    if isinstance(value, str):
        return Value(name, "text", clean(value, f"text of metric {name!r}", limit=MAX_TEXT), coerced)
    number, changed = _number(value, lambda **why: _wrong(name, value, **why))
    return classify(name, number, coerced=coerced or changed)


def cacheable(cls: type) -> bool:
    """Whether the class alone says how to pack its values: Python's numbers, numpy's integers and floats."""
    if issubclass(cls, int | float):
        return True
    return cls.__module__ == "numpy" and cls.__name__.startswith(("int", "uint", "float"))


def step_of(step: object) -> tuple[StepType, int | float | None]:
    """The type of a step and its number; Unkeepable beyond 64 bits, Invalid when it is no number."""
    if step is None:
        return "none", None
    if not isinstance(step, int | float):
        step, _ = _number(step, lambda **_: _no_step(step))
    if isinstance(step, int):
        if not fits(step):
            raise Unkeepable(f"the step {_shown(step)} does not fit into 64 bits")
        return "int", int(step)
    if not isinstance(step, float):
        raise _no_step(step)
    if not math.isfinite(step):
        raise Unkeepable(f"the step {step} is no place on an axis")
    return "float", float(step)


def fits(value: int) -> bool:
    """Whether an integer fits into 64 bits, signed."""
    return -(2**63) <= value < 2**63


def _flat(
    metrics: Mapping[Any, Any], prefix: str, coerced: bool, depth: int
) -> Iterator[tuple[str, Any, bool]]:
    if depth > MAX_DEPTH:
        raise Invalid(f"The dict logged as {prefix[:-1]!r} is nested more than {MAX_DEPTH} deep; flatten it.")
    for key, value in metrics.items():
        made = coerced or not isinstance(key, str)
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}/", coerced=made, depth=depth + 1)
        else:
            yield metric_name(f"{prefix}{key}"), value, made


def _large(value: int) -> Kind:
    try:
        float(value)
    except OverflowError:
        raise Unkeepable(f"{_shown(value)} is larger than a float can hold (1.8e308)") from None
    return "large"


def _number(value: Any, wrong: Any) -> tuple[Any, bool]:
    """The Python number in a scalar, array or tensor of one element, and whether that is worth counting."""
    if type(value).__name__ in _CALLS or isinstance(value, list | tuple | Iterator | Mapping):
        raise wrong()
    shape = getattr(value, "shape", None)
    if shape is not None:
        return _element(value, tuple(shape), wrong)
    if hasattr(value, "__index__"):
        return _convert(value, lambda: value.__index__()), False
    if hasattr(value, "__float__"):
        return _convert(value, lambda: float(value)), True
    raise wrong()


def _element(value: Any, shape: tuple[int, ...], wrong: Any) -> tuple[Any, bool]:
    if math.prod(shape) != 1:
        raise wrong(shape=shape)
    item = _convert(value, lambda: value.item() if hasattr(value, "item") else float(value))
    if not isinstance(item, bool | int | float | str):
        item = _convert(item, lambda: float(item)) if hasattr(item, "__float__") else None
    if item is None:
        raise wrong()
    return item, bool(shape)


def _convert(value: object, conversion: Any) -> Any:
    """What the value's own code makes of it; that code is not ours, and may raise anything."""
    try:
        return conversion()
    except Exception as error:
        raise Unkeepable(
            f"{type(value).__name__} cannot be made a number ({type(error).__name__}: {error})"
        ) from error


def _wrong(name: str, value: object, *, shape: tuple[int, ...] | None = None) -> Invalid:
    kind = type(value).__name__
    call = _CALLS.get(kind, "Give it a number or a text")
    if shape is not None:
        several = "run.log_list" if len(shape) == 1 else "run.log_table or run.log_image"
        kind, call = f"{kind} of shape {shape}", f"Use {several} instead"
    elif isinstance(value, Iterable) and kind not in _CALLS:
        call = "Use run.log_list instead"
    return Invalid(f"run.log does not support {kind} type. {call} (metric {name!r}).")


def _no_step(step: object) -> Invalid:
    return Invalid(f"A step is a number or None; got {_shown(step)} of type {type(step).__name__}.")


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**24:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
