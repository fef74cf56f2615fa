"""Errors as they travel: a problem document of the server becomes the same error on the other side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from runstone.model.documents import read_json
from runstone.model.errors import (
    AuthenticationException,
    Busy,
    Conflict,
    FilterError,
    Invalid,
    RunstoneError,
    ServiceException,
)

MEDIA = "application/problem+json"
# What an error carries beside its message.
_MORE = {"expected": Conflict, "position": FilterError}
_NOT_OURS = 500


def problem(error: Exception) -> tuple[int, bytes]:
    """The HTTP status and the document for an error; of one that is not ours nothing is told."""
    if not isinstance(error, RunstoneError):
        return _NOT_OURS, _document("ServiceException", _NOT_OURS, "The server failed; its log says why.", {})
    status = error.status if isinstance(error, ServiceException | AuthenticationException) else 422
    message = str(getattr(error, "message", error))
    more = {}
    if isinstance(error, Conflict):
        more["expected"] = error.expected
    if isinstance(error, FilterError):
        more["position"] = error.position
    return status, _document(type(error).__name__, status, message, more)


def raised(status: int, content: bytes, *, address: str) -> Exception:
    """The error that an answer stands for; an answer that no history gave is Busy: it may pass."""
    try:
        document = read_json(content.decode("utf-8", "replace"), "answer")
        kind = _KINDS[document["title"]]
        detail = str(document["detail"])
    except (Invalid, LookupError, TypeError):
        return Busy(
            f"{address} answered {status} and no history did: a proxy or another program may stand there."
        )
    more = {
        name: document[name] for name, owner in _MORE.items() if issubclass(kind, owner) and name in document
    }
    return kind(detail, **more)


def _document(title: str, status: int, detail: str, more: Mapping[str, Any]) -> bytes:
    return json.dumps(
        {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    ).encode()


def _kinds(root: type[Exception]) -> Iterator[tuple[str, type[Exception]]]:
    for kind in root.__subclasses__():
        yield kind.__name__, kind
        yield from _kinds(kind)


_KINDS: Mapping[str, type[Exception]] = dict(_kinds(RunstoneError))
