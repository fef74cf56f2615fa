"""The shipper: every record arrives once and in order whatever the history answers; then its file goes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from runstone.journal import segment
from runstone.journal.shipper import Shipper
from runstone.model.errors import Busy, Conflict, Gone, Invalid, TooLarge
from tests.journals import History, Told, eventually, files, history, journal, log, said, shipper, told

__all__ = ["history", "journal", "shipper", "told"]


def test_what_is_logged_arrives_by_itself(history: History, shipper: Shipper):
    writer = shipper.writer("run")
    log(writer, 0, 10)
    eventually(lambda: history.values("run", "m") == list(range(10)))
    log(writer, 10, 2000)
    eventually(lambda: history.values("run", "m") == list(range(2000)))


def test_drain_delivers_before_it_returns(history: History, shipper: Shipper):
    writer = shipper.writer("run")
    for n in range(20):
        log(writer, n * 50, n * 50 + 50)
        assert shipper.drain(writer)
        assert history.values("run", "m") == list(range(n * 50 + 50))
        assert writer.acknowledged == writer.written
    assert history.lost == {writer.id: 0}


def test_finished_files_go_and_the_last_one_with_the_writer(
    journal: Path, history: History, shipper: Shipper
):
    writer = shipper.writer("run")
    log(writer, 0, 500)
    shipper.drain(writer)
    assert [segment.number(file) for file in files(journal)] == [writer.segment]
    assert shipper.finish(writer)
    assert files(journal) == []
    assert not (journal / writer.id).exists()


def test_files_stay_until_the_history_is_on_disk(journal: Path, history: History, shipper: Shipper):
    history.persists = False
    writer = shipper.writer("run")
    log(writer, 0, 500)
    before = len(files(journal))
    assert shipper.finish(writer)
    assert len(files(journal)) == before > 3
    assert history.values("run", "m") == list(range(500))


def test_what_is_logged_after_the_end_arrives_too(history: History, shipper: Shipper, journal: Path):
    writer = shipper.writer("run")
    log(writer, 0, 10)
    assert shipper.finish(writer)
    log(writer, 10, 20)
    eventually(lambda: history.values("run", "m") == list(range(20)))
    assert shipper.finish(writer)
    assert files(journal) == []


@pytest.mark.parametrize(
    "error", [Busy("busy"), ConnectionError("away"), TimeoutError("slow"), OSError(28, "full")]
)
def test_a_history_that_is_away_is_tried_again(
    history: History, shipper: Shipper, told: Told, error: Exception
):
    history.trouble = [error] * 3
    writer = shipper.writer("run")
    log(writer, 0, 100)
    assert not shipper.drain(writer)
    assert shipper.drain(writer, timeout=20)
    assert history.values("run", "m") == list(range(100))
    assert told == []


def test_without_a_timeout_a_history_that_is_away_is_not_waited_for(history: History, shipper: Shipper):
    history.trouble = [Busy("busy")] * 1000
    writer = shipper.writer("run")
    log(writer, 0, 10)
    assert not shipper.drain(writer)
    assert not shipper.drain(writer, timeout=0.2)
    assert shipper.blocked(writer) is None
    history.trouble = []
    assert shipper.drain(writer)


def test_an_error_that_nobody_foresaw_is_told_once_and_tried_again(
    history: History, shipper: Shipper, told: Told
):
    history.trouble = [KeyError("a mistake of ours")] * 3
    writer = shipper.writer("run")
    log(writer, 0, 10)
    assert shipper.drain(writer, timeout=20)
    assert len(told) == 1
    assert "a mistake of ours" in told[0]
    assert "Traceback" in told[0]


@pytest.mark.parametrize(("error", "warnings"), [(Invalid("no such metric"), 1), (Gone("deleted"), 0)])
def test_a_refusal_parks_the_journal_and_keeps_it(
    history: History, shipper: Shipper, told: Told, error: Exception, warnings: int
):
    history.trouble = [error] * 1000
    writer = shipper.writer("run")
    log(writer, 0, 200)
    assert not shipper.drain(writer, timeout=5)
    assert shipper.blocked(writer) is error
    assert not shipper.drain(writer)
    batches = history.batches
    writer.log("m", 200)
    time.sleep(1.5)
    assert history.batches == batches, "the background does not try again"
    assert len(told) == warnings
    history.trouble = []
    assert shipper.drain(writer)
    assert shipper.blocked(writer) is None
    assert history.values("run", "m") == list(range(201))


def test_a_batch_that_is_too_large_is_halved(history: History, journal: Path, told: Told):
    class Narrow(History):
        def append(self, run: str, *, writer: str, first: int, records: bytes, lost: int = 0) -> int:
            if len(records) > 40_000:
                raise TooLarge(f"{len(records)} bytes")
            return super().append(run, writer=writer, first=first, records=records, lost=lost)

    narrow = Narrow()
    shipper = Shipper(narrow, journal, warn=told.append)
    writer = shipper.writer("run")
    log(writer, 0, 20_000)
    assert shipper.drain(writer, timeout=10)
    assert narrow.values("run", "m") == list(range(20_000))
    assert shipper.close()
    assert told == []


def test_a_history_that_went_back_is_sent_what_it_misses(history: History, shipper: Shipper):
    history.persists = False
    writer = shipper.writer("run")
    log(writer, 0, 300)
    assert shipper.drain(writer)
    history.acked[writer.id] = 100
    del history.records["run"][100:]
    log(writer, 300, 310)
    assert shipper.drain(writer)
    assert history.values("run", "m") == list(range(310))


def test_a_history_that_lost_what_no_file_holds_any_more_is_told_so(history: History, shipper: Shipper):
    writer = shipper.writer("run")
    log(writer, 0, 300)
    assert shipper.drain(writer)
    history.acked[writer.id] = 10
    del history.records["run"][10:]
    log(writer, 300, 310)
    assert shipper.drain(writer)
    found = history.values("run", "m")
    assert found[:10] == list(range(10))
    assert found[-10:] == list(range(300, 310))
    assert len(found) + history.lost[writer.id] == 310


def test_a_conflict_that_cannot_be_met_parks_the_journal(history: History, shipper: Shipper):
    history.trouble = [Conflict("nonsense", expected=1)] * 1000
    writer = shipper.writer("run")
    log(writer, 0, 10)
    assert not shipper.drain(writer, timeout=5)
    assert isinstance(shipper.blocked(writer), Conflict)


def test_threads_may_drain_while_others_log(history: History, shipper: Shipper):
    writer = shipper.writer("run")
    done = threading.Event()

    def drain() -> None:
        while not done.is_set():
            shipper.drain(writer)

    threads = [threading.Thread(target=drain) for _ in range(4)]
    for thread in threads:
        thread.start()
    log(writer, 0, 3000)
    done.set()
    for thread in threads:
        thread.join()
    assert shipper.finish(writer)
    assert history.values("run", "m") == list(range(3000))


def test_memory_is_delivered_from_when_there_is_no_disk(
    journal: Path, history: History, shipper: Shipper, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> tuple[int, int]:
        raise OSError(28, "No space left on device")

    writer = shipper.writer("run")
    log(writer, 0, 10)
    with monkeypatch.context() as patch:
        writer.close()
        patch.setattr(segment, "create", full)
        for n in range(10, 3000):
            writer.log("m", n, step=n)
        assert shipper.drain(writer)
        assert history.values("run", "m") == list(range(3000))
        assert writer.memory() is None
        log(writer, 3000, 3100)
    time.sleep(1.1)
    log(writer, 3100, 3200)
    assert shipper.finish(writer)
    assert history.values("run", "m") == list(range(3200))
    assert history.lost == {writer.id: 0}


def test_close_is_bounded_when_the_history_is_away(history: History, journal: Path):
    history.trouble = [Busy("busy")] * 100_000
    shipper = Shipper(history, journal)
    log(shipper.writer("run"), 0, 10)
    assert not shipper.close(timeout=0.5)
    assert files(journal) != []


def test_a_deleted_journal_is_told_as_lost_and_nothing_comes_twice(
    history: History, shipper: Shipper, journal: Path
):
    writer = shipper.writer("run")
    log(writer, 0, 100)
    assert shipper.drain(writer)
    log(writer, 100, 110)
    for file in files(journal):
        file.unlink()
    log(writer, 110, 120)
    assert shipper.finish(writer)
    found = history.values("run", "m")
    assert found == sorted(set(found))
    assert found[-10:] == list(range(110, 120))
    assert len(found) + history.lost[writer.id] == 120


def test_batches_of_a_live_journal_stand_for_themselves(history: History, shipper: Shipper):
    writer = shipper.writer("run")
    for n in range(200):
        writer.log_metrics({f"a{n % 5}": n, "b": 0.5}, step=n)
        writer.record({"kind": "row", "name": "r", "columns": {"n": n}})
        if n % 20 == 0:
            assert shipper.drain(writer)
    assert shipper.finish(writer)
    assert [body["columns"]["n"] for body in history.bodies("run", "row")] == list(range(200))
    assert len(list(said(b""))) == 0


def test_many_writers_that_are_quiet_leave_their_files_and_come_back(history: History, shipper: Shipper):
    writers = [shipper.writer(f"run{number}") for number in range(100)]
    for writer in writers:
        log(writer, 0, 3)
    eventually(lambda: not any(writer.on_disk for writer in writers))
    for writer in writers:
        log(writer, 3, 5)
        assert shipper.drain(writer)
    assert all(history.values(f"run{number}", "m") == list(range(5)) for number in range(100))
