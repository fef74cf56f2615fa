"""What differs between two runs: sections of changes, in one order, the same however often it is asked."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runstone.model import difference_text


class Nothing(enum.Enum):
    """What stands for a value that one side does not have; None is a value."""

    ABSENT = "absent"


ABSENT = Nothing.ABSENT


@dataclass(frozen=True)
class Change:
    """One thing that differs. ``part`` says what of it, as ``last`` of a metric; ``relative``: (b - a) / |a|.

    ``text`` are the lines of a unified diff; ``note`` says why there are none, or not all.
    """

    name: str
    a: Any = ABSENT
    b: Any = ABSENT
    part: str | None = None
    relative: float | None = None
    text: tuple[str, ...] = ()
    note: str | None = None

    @property
    def only(self) -> str | None:
        """The side that alone has it, ``A`` or ``B``; None when both have."""
        if self.a is ABSENT:
            return "B"
        return "A" if self.b is ABSENT else None

    def document(self) -> dict[str, Any]:
        """The same for JSON: without what is not there, NaN and the infinities as texts."""
        said = {"name": self.name, "part": self.part, "relative": self.relative, "note": self.note}
        found: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
        sides = {"a": self.a, "b": self.b}
        found |= {key: _plain(value) for key, value in sides.items() if value is not ABSENT}
        return found | ({"diff": list(self.text)} if self.text else {})


@dataclass(frozen=True)
class Section:
    """What differs in one respect. ``note`` says which side lacks it altogether, where one does."""

    name: str
    changes: tuple[Change, ...] = ()
    note: str | None = None

    def document(self) -> dict[str, Any]:
        """The same for JSON."""
        found: dict[str, Any] = {} if self.note is None else {"note": self.note}
        return {**found, "changes": [change.document() for change in self.changes]}


@dataclass(frozen=True)
class Side:
    """A run that is compared, as it is called in what is printed."""

    id: str
    experiment: str
    number: int

    def document(self) -> dict[str, Any]:
        """The same for JSON, under the keys that a run has there."""
        return {"runId": self.id, "experimentName": self.experiment, "runNumber": self.number}


@dataclass(frozen=True)
class Difference:
    """What differs between the runs ``a`` and ``b``; false when nothing does.

    ``sections`` has those that differ, in this order: run, script, arguments, params, tags, properties,
    environment, packages, git, source, metrics, files.
    """

    a: Side
    b: Side
    sections: Mapping[str, Section] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.sections

    def __bool__(self) -> bool:
        return bool(self.sections)

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON: ``a``, ``b``, ``same`` and ``sections``."""
        sections = {name: section.document() for name, section in self.sections.items()}
        return {"a": self.a.document(), "b": self.b.document(), "same": self.same, "sections": sections}

    def to_text(self) -> str:
        """The same for people; empty when nothing differs."""
        return "\n".join(difference_text.text(self))

    def to_markdown(self) -> str:
        """The same as a Markdown document; empty when nothing differs."""
        return "\n".join(difference_text.markdown(self))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
