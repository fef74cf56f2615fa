"""The declaration of an operation: a typed method and its route, from which every other face is derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class Route:
    """How an operation is reached over HTTP."""

    verb: str
    path: str


def operation(route: str) -> Callable[[Method], Method]:
    """Declare the method as an operation, e.g. ``@operation("POST /runs/{run}/records")``."""
    verb, _, path = route.partition(" ")
    if verb not in ("GET", "POST", "PUT", "PATCH", "DELETE") or not path.startswith("/"):
        raise ValueError(f"a route is a verb and a path, like 'GET /runs/{{run}}'; got {route!r}")

    def declare(method: Method) -> Method:
        method.__operation__ = Route(verb, path)  # type: ignore[attr-defined]
        return method

    return declare


def operations(resource: type) -> Iterator[tuple[str, Route, Callable[..., Any]]]:
    """The operations of a resource class: name, route and method, in the order of their declaration."""
    for name, member in vars(resource).items():
        route = getattr(member, "__operation__", None)
        if isinstance(route, Route):
            yield name, route, member
