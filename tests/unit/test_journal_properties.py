"""Whatever is logged, killed, torn and repeated, in whatever order: each record arrives once, in order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runstone.journal import frames, segment
from runstone.journal.delivery import Delivery
from runstone.journal.sink import Limits
from runstone.journal.writer import Writer
from runstone.model.errors import Busy
from tests.journals import History

NAMES = st.sampled_from(["loss", "acc", "loss/train", "é", "x" * 100])
NUMBERS = st.one_of(
    st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.integers(2**63, 2**70)
)
STEPS = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)


class Life(RuleBasedStateMachine):
    """A process that logs to a run, dies and is followed by another; a history that takes in what it can."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.folder = Path(tempfile.mkdtemp())
        self.patch.setattr("tempfile.tempdir", str(self.folder))
        self.patch.setattr("runstone.journal.delivery.alive", lambda process: False)
        self.journal = self.folder / "history" / "journal"
        self.history = History()
        self.logged: dict[str, list[tuple[Any, Any]]] = {}

    @initialize(segment_bytes=st.sampled_from([400, 1000, 100_000]), names=st.sampled_from([3, 100]))
    def begin(self, segment_bytes: int, names: int) -> None:
        self.limits = Limits(segment_bytes=segment_bytes, wide_shapes=names)
        self.start()

    def start(self) -> None:
        run = f"run {len(self.logged)}"
        self.writer = Writer(self.journal, run, limits=self.limits, warn=str)
        self.delivery = Delivery(self.history, self.journal, writer=self.writer, warn=str)
        self.logged[run] = []

    def add(self, values: dict[str, Any], step: Any) -> None:
        self.logged[self.writer.run] += [(name, value, step) for name, value in values.items()]

    @rule(name=NAMES, value=NUMBERS, step=STEPS)
    def log(self, name: str, value: Any, step: Any) -> None:
        self.writer.log(name, value, step=step)
        self.add({name: value}, step)

    @rule(metrics=st.dictionaries(NAMES, st.floats(allow_nan=False), min_size=1), step=STEPS)
    def log_metrics(self, metrics: dict[str, Any], step: Any) -> None:
        self.writer.log_metrics(metrics, step=step)
        self.add(metrics, step)

    @rule(name=NAMES, text=st.text(st.characters(codec="utf-8"), max_size=20))
    def log_text(self, name: str, text: str) -> None:
        self.writer.record({"kind": "value", "name": name, "type": "text", "value": text})
        self.add({name: text}, None)

    @rule()
    def sync(self) -> None:
        self.writer.sync()

    @rule()
    def close(self) -> None:
        self.writer.close()

    @rule(torn=st.binary(max_size=30))
    def die(self, torn: bytes) -> None:
        """What a writer that is killed in the middle of a write leaves behind; another process goes on."""
        files = segment.segments(self.journal, self.writer.id)
        if files:
            frame = frames.encode(frames.RECORD, {"kind": "never", "torn": torn.hex()})
            with open(files[-1], "ab") as stream:
                stream.write(frame[: len(torn)])
        self.start()

    @rule(limit=st.sampled_from([1, 200, 1 << 20]))
    def deliver(self, limit: int) -> None:
        self.delivery._limit = limit
        assert self.delivery.deliver()

    @rule(calls=st.integers(1, 3))
    def deliver_in_vain(self, calls: int) -> None:
        self.history.trouble = [Busy("busy")] * calls
        self.delivery.deliver()
        self.history.trouble = []

    @rule()
    def deliver_as_a_stranger(self) -> None:
        for id in segment.writers(self.journal):
            if id != self.writer.id:
                assert Delivery(self.history, self.journal, writer=id, warn=str).deliver()

    @rule()
    def deliver_again_from_the_beginning(self) -> None:
        self.delivery._reader.seek(1)
        self.delivery.deliver()

    @invariant()
    def what_has_arrived_is_a_beginning_of_what_was_logged(self) -> None:
        for run, logged in self.logged.items():
            arrived = self.arrived(run)
            assert arrived == logged[: len(arrived)]

    def arrived(self, run: str) -> list[tuple[str, Any, Any]]:
        found = []
        for record in self.history.records.get(run, []):
            values = record.values
            if values.get("kind") == "value":
                value = int(values["value"]) if values["type"] == "int" else values["value"]
                values = {values["name"]: value}
            found += [(name, value, record.step) for name, value in values.items()]
        return found

    def teardown(self) -> None:
        self.writer.close()
        assert self.delivery.deliver()
        self.deliver_as_a_stranger()
        assert {run: self.arrived(run) for run in self.logged} == self.logged
        assert not any(self.history.lost.values())
        assert list(self.journal.rglob("*.rsj")) == []
        self.patch.undo()
        shutil.rmtree(self.folder)


TestLife = Life.TestCase
