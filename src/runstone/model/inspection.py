"""What a look at a history finds: whether it is whole, and what is waiting."""

from __future__ import annotations

from dataclasses import dataclass

from runstone.model.runs import Status


@dataclass(frozen=True)
class Waiting:
    """What a writer has left in its journal and the history does not have yet.

    ``alive`` is None where that cannot be told from here; ``place`` is the directory of its files.
    """

    run: str
    writer: str
    records: int
    bytes: int
    alive: bool | None
    place: str


@dataclass(frozen=True)
class Ending:
    """How the next reader will end a run that its process did not end."""

    run: str
    status: Status
    why: str


@dataclass(frozen=True)
class Report:
    """A history as it was found. ``damage`` is one sentence for each thing that is lost or wrong."""

    history: str
    version: int
    runs: int
    bytes: int
    damage: tuple[str, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    endings: tuple[Ending, ...] = ()
    leftovers: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is lost or wrong; what is only waiting is not."""
        return not self.damage
