"""The tree of a filter: frozen values that print themselves back as the text that they came from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from runstone.model.query.fields import ATTRIBUTES, KEY_WORDS, Kind

_BARE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_BARE_WORD = re.compile(r"[^\W\d_]\w*|[0-9]+")


@dataclass(frozen=True)
class Attribute:
    """What every run has by itself: its status, its times, its names. ``at`` is where it stood (from 0)."""

    name: str
    at: int = field(default=0, compare=False, repr=False)

    @property
    def kind(self) -> Kind:
        return ATTRIBUTES[self.name]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Field:
    """What a run was given: a metric, param, tag, property or system metric, by its name.

    ``written`` is set where two readings are possible: ``metrics.loss.min`` is the metric really called
    ``loss.min`` if a workspace has one, and the least ``loss`` otherwise. A reducer left out is ``last``.
    """

    group: str
    name: str
    reducer: str = ""
    written: str = ""
    at: int = field(default=0, compare=False, repr=False)

    @property
    def kind(self) -> Kind:
        return "number" if self.group in ("metrics", "system") else "loose"

    @property
    def name_at(self) -> int:
        """Where the name itself stood."""
        return self.at + len(self.group) + 1

    def __str__(self) -> str:
        if self.written:
            return f"{self.group}.{self.written}"
        name = self.name if self._bare() else f'"{_doubled(self.name, chr(34))}"'
        return f"{self.group}.{name}" + (f".{self.reducer}" if self.reducer else "")

    def _bare(self) -> bool:
        # metrics.a.min would read as a reducer again, and so would a certain reducer after a bare name
        return not self.reducer and "." not in self.name and _BARE_NAME.fullmatch(self.name) is not None


class NotANumber(float):
    """The NaN of a tree: it equals itself, as the text ``nan`` does."""

    def __new__(cls) -> NotANumber:
        return super().__new__(cls, "nan")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NotANumber)

    def __hash__(self) -> int:
        return hash(NotANumber)


@dataclass(frozen=True)
class Moment:
    """A time as it was written, and the microseconds [first, after) that it covers: a day, or an instant."""

    text: str
    first: int
    after: int

    def __str__(self) -> str:
        return self.text if self.text.startswith(("now", "today")) else quoted(self.text)


@dataclass(frozen=True)
class Duration:
    """A length of time as it was written, like ``2h``."""

    text: str
    seconds: float

    def __str__(self) -> str:
        return self.text


Value: TypeAlias = str | int | float | bool | Moment | Duration | None
Operand: TypeAlias = Attribute | Field


@dataclass(frozen=True)
class Compare:
    """``field op value``; op is one of = != < <= > >=. A run without the field matches none of them."""

    field: Operand
    op: str
    value: Value

    def __str__(self) -> str:
        return f"{self.field} {self.op} {literal(self.value)}"


@dataclass(frozen=True)
class In:
    """``field [not] in (values)``; a run without the field matches neither."""

    field: Operand
    values: tuple[Value, ...]
    negated: bool = False

    def __str__(self) -> str:
        return f"{self.field}{_not(self.negated)} in ({', '.join(map(literal, self.values))})"


@dataclass(frozen=True)
class Between:
    """``field between low and high``, both included."""

    field: Operand
    low: Value
    high: Value

    def __str__(self) -> str:
        return f"{self.field} between {literal(self.low)} and {literal(self.high)}"


@dataclass(frozen=True)
class Like:
    """``field [not] like|ilike|contains|startswith text``; a run without the field matches neither.

    Only ``like`` minds case; % and _ mean something in the first two alone.
    """

    field: Operand
    op: str
    pattern: str
    negated: bool = False

    def __str__(self) -> str:
        return f"{self.field}{_not(self.negated)} {self.op} {quoted(self.pattern)}"


@dataclass(frozen=True)
class Has:
    """The run has the field; a tag without a value counts."""

    field: Operand

    def __str__(self) -> str:
        return f"has {self.field}"


@dataclass(frozen=True)
class Missing:
    """The run does not have the field."""

    field: Operand

    def __str__(self) -> str:
        return f"missing {self.field}"


@dataclass(frozen=True)
class Text:
    """All of these words stand somewhere in the run's texts; case does not matter."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(map(_word, self.words))


@dataclass(frozen=True)
class Not:
    """Plain negation: what the part does not match, runs without the field included."""

    part: Expression

    def __str__(self) -> str:
        return f"not {_inside(self.part, (And, Or))}"


@dataclass(frozen=True)
class And:
    """All parts match; two or more, none of them an And."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " and ".join(_inside(part, (And, Or)) for part in self.parts)


@dataclass(frozen=True)
class Or:
    """At least one part matches; two or more, none of them an Or."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(_inside(part, (Or,)) for part in self.parts)


Term: TypeAlias = Compare | In | Between | Like | Has | Missing | Text
Expression: TypeAlias = And | Or | Not | Term


@dataclass(frozen=True)
class Order:
    """One key of an order; ``nulls`` is "first" or "last", in either direction."""

    field: Operand
    descending: bool = False
    nulls: str = "last"

    def __str__(self) -> str:
        direction = " desc" if self.descending else ""
        return f"{self.field}{direction}" + (" nulls first" if self.nulls == "first" else "")


def all_of(*parts: Expression | None) -> Expression | None:
    """All the parts together, flat; None stands for "everything"."""
    flat: list[Expression] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, And) else () if part is None else (part,))
    return And(tuple(flat)) if len(flat) > 1 else next(iter(flat), None)


def any_of(*parts: Expression) -> Expression:
    """Any of the parts, flat."""
    flat: list[Expression] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Or) else (part,))
    return Or(tuple(flat)) if len(flat) > 1 else flat[0]


def terms(tree: Expression | None) -> Iterator[Term]:
    """Every term of a tree, from left to right."""
    if tree is None:
        return
    if isinstance(tree, Not):
        yield from terms(tree.part)
        return
    if isinstance(tree, (And, Or)):
        for part in tree.parts:
            yield from terms(part)
        return
    yield tree


def literal(value: Value) -> str:
    """A value as it is written in a filter."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    return str(value) if isinstance(value, (Moment, Duration)) else repr(value)


def quoted(text: str) -> str:
    """A text in single quotes, doubled inside."""
    return f"'{_doubled(text, chr(39))}'"


def _doubled(text: str, quote: str) -> str:
    return text.replace(quote, quote * 2)


def _not(negated: bool) -> str:
    return " not" if negated else ""


def _inside(part: Expression, loose: tuple[type, ...]) -> str:
    return f"({part})" if isinstance(part, loose) else str(part)


def _word(word: str) -> str:
    plain = _BARE_WORD.fullmatch(word) and word.lower() not in KEY_WORDS and word.lower() not in ATTRIBUTES
    return word if plain else quoted(word)
