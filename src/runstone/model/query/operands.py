"""Fields as a filter writes them: ``metrics.loss.min``, ``tags."x y"``, ``attributes.start_time``."""

from __future__ import annotations

from dataclasses import dataclass

from runstone.model.errors import FilterError
from runstone.model.query.fields import (
    ATTRIBUTES,
    DATASET_NAMES,
    GROUPS,
    REDUCERS,
    attribute,
    nearest,
    shown,
)
from runstone.model.query.lexer import Token, wrong
from runstone.model.query.tree import Attribute, Field, Operand


@dataclass(frozen=True)
class Reading:
    """A field, the index of the token after it, and whether it was written with its group."""

    operand: Operand
    next: int
    group: bool


def operand_at(tokens: list[Token], index: int) -> Reading | None:
    """The field that begins at ``index``; None if what stands there is no field."""
    first = tokens[index]
    if first.kind == "name" and _glued(tokens, index) and tokens[index + 1].text.startswith("."):
        # `metrics`.acc, as MLflow allows it
        second = tokens[index + 1]
        first, index = Token("word", first.text + second.text, first.start, second.end), index + 1
    if first.kind in ("name", "string"):
        name = attribute(first.text)
        return Reading(Attribute(name, first.start), index + 1, False) if name else None
    if first.kind != "word":
        return None
    if first.text.endswith(".") and _glued(tokens, index) and tokens[index + 1].kind in ("name", "string"):
        return _quoted(tokens, first, index)
    return _bare(first, index)


def unknown(token: Token) -> FilterError:
    """The error for a word that should have been a field, with the nearest name that would be one."""
    group, dot, name = token.text.partition(".")
    if dot and token.kind == "word":
        if GROUPS.get(group.lower()) == "attributes":
            return _unknown_attribute(name, token.start)
        near = nearest(group, dict.fromkeys(GROUPS.values()))
        hint = f"did you mean {shown(near)}?" if near else "one of metrics, params, tags, properties, system"
        return wrong(token.start, f"unknown group {shown(group)} ({hint})")
    if token.kind not in ("word", "name", "string"):
        return wrong(token.start, f"expected a field, like metrics.acc or status, before {shown(token.text)}")
    near = nearest(token.text, ATTRIBUTES)
    hint = (
        f"did you mean {shown(near)}?"
        if near
        else f"did you mean metrics.{token.text} or params.{token.text}?"
    )
    return wrong(token.start, f"unknown field {shown(token.text)} ({hint})")


def _glued(tokens: list[Token], index: int) -> bool:
    return tokens[index].end == tokens[index + 1].start if index + 1 < len(tokens) else False


def _quoted(tokens: list[Token], first: Token, index: int) -> Reading:
    group = _group(first)
    name = tokens[index + 1]
    if not name.text:
        raise wrong(name.start, f"an empty name names nothing; write one after '{first.text}'")
    following = index + 2
    reducer = ""
    if _glued(tokens, index + 1) and tokens[following].kind == "word":
        reducer = tokens[following].text.removeprefix(".").lower()
        if group not in ("metrics", "system") or reducer not in REDUCERS:
            raise wrong(tokens[following].start, f"expected an operator, or of a metric one of {_reducers()}")
        following += 1
    return Reading(_operand(group, name.text, first, reducer=reducer), following, True)


def _bare(token: Token, index: int) -> Reading | None:
    group, dot, name = token.text.partition(".")
    if not dot:
        found = attribute(token.text)
        return Reading(Attribute(found, token.start), index + 1, False) if found else None
    if group.lower() not in GROUPS or not name:
        return None
    canonical = GROUPS[group.lower()]
    if canonical == "attributes" and attribute(name) is None:
        # run.py and attributes.txt may be words of a text
        return None
    # what is written like a group in front of a plain word is a field only where an operator follows
    return Reading(_operand(canonical, name, token), index + 1, group.lower() not in ("run", "attr"))


def _group(token: Token) -> str:
    group = GROUPS.get(token.text[:-1].lower())
    if group is None:
        raise unknown(token)
    return group


def _operand(group: str, name: str, token: Token, *, reducer: str | None = None) -> Operand:
    if group == "attributes":
        found = attribute(name)
        if found is None:
            raise _unknown_attribute(name, token.start)
        return Attribute(found, token.start)
    if group == "datasets" and name not in DATASET_NAMES:
        raise wrong(token.start, f"a data set has {', '.join(DATASET_NAMES)}, not {shown(name)}")
    if reducer is not None or group not in ("metrics", "system"):
        return Field(group, name, reducer or "", at=token.start)
    base, _, last = name.rpartition(".")
    if base and last in REDUCERS:
        return Field(group, base, last, name, at=token.start)
    return Field(group, name, at=token.start)


def _unknown_attribute(name: str, at: int) -> FilterError:
    near = nearest(name, ATTRIBUTES)
    hint = f" (did you mean {shown(near)}?)" if near else ""
    return wrong(at, f"unknown attribute {shown(name)}{hint}")


def _reducers() -> str:
    return ", ".join(f".{reducer}" for reducer in REDUCERS)
