"""What is derived from a declared operation: where its arguments travel, and what its answer looks like."""

from __future__ import annotations

import inspect
import math
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from runstone.model.errors import Invalid
from runstone.service.artifacts import Artifacts
from runstone.service.assets import Assets
from runstone.service.experiments import Experiments
from runstone.service.jobs import Jobs
from runstone.service.lineage import Lineage
from runstone.service.logs import Logs
from runstone.service.metrics import Metrics
from runstone.service.models import Models
from runstone.service.operation import operations
from runstone.service.purging import Purging
from runstone.service.runs import Runs
from runstone.service.secrets import Secrets
from runstone.service.snapshots import Snapshots
from runstone.service.transfers import Transfers
from runstone.service.workspaces import Workspaces

JSON, PACKED = "application/json", "application/msgpack"
PREFIX = "/api/v1"

# The attributes of a service, each with the class whose operations it has.
RESOURCES: Mapping[str, type] = MappingProxyType(
    {
        "workspaces": Workspaces,
        "experiments": Experiments,
        "runs": Runs,
        "metrics": Metrics,
        "artifacts": Artifacts,
        "logs": Logs,
        "snapshots": Snapshots,
        "assets": Assets,
        "lineage": Lineage,
        "jobs": Jobs,
        "models": Models,
        "purging": Purging,
        "secrets": Secrets,
        "transfers": Transfers,
    }
)

# Extension types of MessagePack: an array of numpy's, an integer beyond 64 bits.
_ARRAY, _INTEGER = 1, 2
_NONFINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


@dataclass(frozen=True, eq=False)
class Call:
    """An operation as it travels. ``parts`` are the arguments in its path, ``fields`` the others."""

    resource: str
    name: str
    method: Callable[..., Any]
    verb: str
    path: str
    parts: Mapping[str, Any]
    fields: Mapping[str, Any]
    defaults: Mapping[str, Any]
    answer: Any
    doc: str

    @property
    def in_query(self) -> bool:
        """Whether the arguments travel in the query; else they are the body."""
        return self.verb in ("GET", "DELETE")

    @property
    def in_path(self) -> tuple[str, ...]:
        """The names that the path carries; a run's reference is two: ``workspace`` and ``run``."""
        return tuple(re.findall(r"{(\w+)}", self.path))


@lru_cache(maxsize=1)
def calls() -> tuple[Call, ...]:
    """Every operation of every resource."""
    return tuple(call for name, kind in RESOURCES.items() for call in _calls(name, kind))


@cache
def body_type(call: Call) -> type[msgspec.Struct]:
    """What a body may hold: an unknown name is refused, a missing one has its default."""
    fields = [
        (name, hint, call.defaults[name]) if name in call.defaults else (name, hint)
        for name, hint in call.fields.items()
    ]
    return msgspec.defstruct(call.name.title(), fields, forbid_unknown_fields=True, kw_only=True)


def from_body(call: Call, content: bytes, *, media: str | None) -> dict[str, Any]:
    """The arguments that a body holds; Invalid says which one is wrong."""
    try:
        if media == PACKED:
            found = msgspec.msgpack.decode(content, type=body_type(call), ext_hook=_from_extension)
        else:
            found = msgspec.json.decode(content or b"{}", type=body_type(call))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"The body of {call.verb} {call.path} is not what it takes: {error}.") from error
    return msgspec.structs.asdict(found)


def from_path(call: Call, found: Mapping[str, str]) -> dict[str, Any]:
    """The arguments that a path carries."""
    given = dict(found)
    if "run" in call.parts:
        given["run"] = f"{given.pop('workspace')}/{given['run']}"
    return {name: _value(name, text, call.parts[name]) for name, text in given.items()}


def from_query(call: Call, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The arguments that a query holds: texts as they are, anything else as JSON, a list by repetition."""
    given: dict[str, Any] = {}
    for name, text in pairs:
        if name not in call.fields:
            raise Invalid(f"{call.verb} {call.path} takes no {name!r}; it takes {', '.join(call.fields)}.")
        hint = call.fields[name]
        if typing.get_origin(hint) in _SEQUENCES:
            given.setdefault(name, []).append(_value(name, text, typing.get_args(hint)[0]))
        else:
            given[name] = _value(name, text, hint)
    missing = [name for name in call.fields if name not in given and name not in call.defaults]
    if missing:
        raise Invalid(f"{call.verb} {call.path} needs {', '.join(missing)} in its query.")
    return given


def to_query(call: Call, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The arguments of a call as a query."""
    return [
        (name, _whole(one) if isinstance(one, str) else msgspec.json.encode(one).decode())
        for name, value in given.items()
        for one in (value if typing.get_origin(call.fields[name]) in _SEQUENCES else [value])
        if one is not None
    ]


def packed(value: Any) -> bytes:
    """A value as MessagePack; arrays of numpy's and integers of any size included."""
    try:
        return msgspec.msgpack.encode(value, enc_hook=_to_extension)
    except (OverflowError, UnicodeEncodeError):
        return msgspec.msgpack.encode(_encodable(value), enc_hook=_to_extension)


def unpacked(content: bytes, hint: Any) -> Any:
    """A value of a type, from MessagePack; fields that a newer version has added are passed over."""
    return msgspec.msgpack.decode(content, type=hint, ext_hook=_from_extension)


def spelt(value: Any) -> bytes:
    """A value as JSON; NaN and the infinities are texts."""
    plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_to_plain)
    return msgspec.json.encode(_finite(plain))


def _calls(resource: str, kind: type) -> Iterator[Call]:
    for name, route, method in operations(kind):
        hints = typing.get_type_hints(method)
        answer = hints.pop("return")
        # a run's reference has two parts, and a path has a part for each
        path = route.path.replace("{run}", "{workspace}/{run}")
        parts = set(re.findall(r"{(\w+)}", route.path))
        signature = inspect.signature(method).parameters
        yield Call(
            resource=resource,
            name=name,
            method=method,
            verb=route.verb,
            path=path,
            parts={field: hints[field] for field in parts},
            fields={field: hint for field, hint in hints.items() if field not in parts},
            defaults={
                field: signature[field].default
                for field in hints
                if signature[field].default is not inspect.Parameter.empty
            },
            answer=answer,
            doc=inspect.getdoc(method) or "",
        )


_SEQUENCES = (Sequence, typing.get_origin(Sequence[str]), tuple, list)


def _value(name: str, text: str, hint: Any) -> Any:
    if hint is str or str in typing.get_args(hint):
        return text
    try:
        return msgspec.json.decode(text, type=hint)
    except msgspec.MsgspecError as error:
        raise Invalid(f"{name}={text!r} in the address is not what it should be: {error}.") from error


def _to_extension(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    import numpy  # there already if the value is one of its arrays

    if isinstance(value, numpy.ndarray):
        return msgspec.msgpack.Ext(_ARRAY, value.dtype.str.encode() + b"\0" + value.tobytes())
    if isinstance(value, numpy.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not travel")


def _from_extension(code: int, data: memoryview) -> Any:
    content = bytes(data)
    if code == _INTEGER:
        return int(content)
    if code == _ARRAY:
        import numpy  # what an array is read with

        kind, _, values = content.partition(b"\0")
        return numpy.frombuffer(values, dtype=kind.decode()).copy()
    raise ValueError(f"the extension {code} is unknown to this version; upgrade Runstone")


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not travel")


def _encodable(value: Any) -> Any:
    """The value without integers beyond 64 bits and lone surrogates, which a history replaces as well."""
    if is_dataclass(value) and not isinstance(value, type):
        return _encodable(asdict(value))
    if isinstance(value, Mapping):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(one) for one in value]
    if isinstance(value, str):
        return _whole(value)
    if type(value) is int and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(_INTEGER, str(value).encode())
    return value


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return _NONFINITE.get(value, "NaN")
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
