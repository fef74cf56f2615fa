"""The values of a comparison: what a token means to the kind of field that it is compared with."""

from __future__ import annotations

import math
import re
from datetime import datetime

from runstone.model.query import times
from runstone.model.query.fields import STATUSES, Kind, nearest, shown, status_name
from runstone.model.query.lexer import Token, wrong
from runstone.model.query.tree import NotANumber, Operand, Value

_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)",
    re.IGNORECASE,
)
_TRUTH = {"true": True, "false": False}

# Which operators a kind of field knows; "null" is a comparison with null.
_OPERATORS: dict[Kind, frozenset[str]] = {
    "text": frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "between", "like", "null"}),
    "loose": frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "between", "like", "null"}),
    "number": frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "between", "null"}),
    "time": frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "between", "null"}),
    "duration": frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "between", "null"}),
    "status": frozenset({"=", "!=", "in", "like"}),
    "flag": frozenset({"=", "!=", "in"}),
}
_WANTED: dict[Kind, str] = {
    "text": "a text in quotes",
    "loose": "a text in quotes or a number",
    "number": "a number",
    "time": 'a time, like "2026-11-23", now - 7d or today',
    "duration": "a duration, like 90s, 15m, 2h or 7d",
    "status": "a status, like completed or failed",
    "flag": "true or false",
}


def check_operator(operand: Operand, op: str, *, at: int) -> None:
    """FilterError if this kind of field knows no such operator."""
    if op in _OPERATORS[operand.kind]:
        return
    known = ", ".join(sorted(_OPERATORS[operand.kind] - {"null"}, key=lambda one: (one.isalpha(), one)))
    raise wrong(at, f"{operand} is not compared by {shown(op)}; {_a(operand.kind)} knows {known}")


def wanted(operand: Operand) -> str:
    """What would be right as a value."""
    return _WANTED[operand.kind]


def convert(token: Token, operand: Operand, *, now: datetime) -> Value:
    """The value that a token stands for."""
    if token.word("null"):
        return None
    kind = operand.kind
    if kind == "text":
        return token.text
    if kind == "loose":
        return token.text if token.kind == "string" else _loose(token.text)
    if kind == "status":
        return _status(token)
    value = _typed(token, kind, now)
    if value is None:
        raise wrong(token.start, f"{operand} is compared with {_WANTED[kind]}, not with {_hint(token, kind)}")
    return value


def number(text: str) -> int | float | None:
    """A number as Python writes it; whole numbers beyond 64 bits become floats."""
    if not _NUMBER.fullmatch(text):
        return None
    plain = text.replace("_", "")
    if plain.lstrip("+-").isdigit() and len(plain) <= 20 and -(1 << 63) <= int(plain) < 1 << 63:
        return int(plain)
    value = float(plain)
    return NotANumber() if math.isnan(value) else value


def _loose(word: str) -> Value:
    if word.lower() in _TRUTH:
        return _TRUTH[word.lower()]
    value = number(word)
    return word if value is None else value


def _status(token: Token) -> str:
    found = status_name(token.text)
    if found is None:
        near = nearest(token.text, STATUSES)
        hint = (
            f"did you mean {shown(near)}?"
            if near
            else "one of completed, failed, canceled, running, queued..."
        )
        raise wrong(token.start, f"unknown status {shown(token.text)} ({hint})")
    return found


def _typed(token: Token, kind: Kind, now: datetime) -> Value:
    bare = token.kind == "word"
    if kind == "flag":
        return _TRUTH.get(token.text.lower())
    if kind == "number":
        truth = _TRUTH.get(token.text.lower()) if bare else None
        return number(token.text) if bare and truth is None else truth
    plain = number(token.text) if bare else None
    if plain is not None and not math.isnan(plain):
        return plain
    return times.moment(token.text, now) if kind == "time" else times.duration(token.text)


def _hint(token: Token, kind: Kind) -> str:
    if kind == "number" and token.kind == "string" and number(token.text) is not None:
        return f"the text {shown(token.text)}: write {token.text} without quotes"
    return f"the text {shown(token.text)}" if token.kind == "string" else shown(token.text)


def _a(kind: Kind) -> str:
    return {"loose": "a text", "flag": "true or false", "number": "a number"}.get(kind, f"a {kind}")
