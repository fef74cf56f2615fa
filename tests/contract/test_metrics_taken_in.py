"""Batches are taken in once and sealed once: the same on every database."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from runstone.journal import frames
from runstone.model.errors import Conflict, Invalid
from runstone.model.runs import Status
from runstone.store import sealing
from tests.logged import START, Logged, Writer, deliver_a_hundred, now

DAY = 86_400_000_000_000


def test_a_batch_that_is_delivered_again_counts_once(logged: Logged):
    writer = Writer()
    for step in range(10):
        writer.log({"loss": float(step)}, step)
    run = logged.start()
    assert [logged.take(run, writer) for _ in range(3)] == [10, 10, 10]
    logged.seal(run)
    assert logged.take(run, writer) == 10
    assert logged.metrics.series(run, "loss").values.tolist() == list(range(10))
    assert logged.runs.acknowledged(run, writer.id) == 10
    assert logged.runs.acknowledged(run, "another") == 0


def test_of_an_overlapping_batch_the_new_part_is_kept(logged: Logged):
    writer = Writer()
    for step in range(10):
        writer.log({"loss": float(step)}, step).record("value", name="phase", type="text", value=str(step))
    run = logged.start()
    assert logged.take(run, writer, 1, 7) == 7
    assert logged.take(run, writer, 3, 20) == 20
    assert logged.metrics.series(run, "loss").values.tolist() == list(range(10))
    phases = logged.metrics.series(run, "phase").entries
    assert [entry.value for entry in phases] == [str(step) for step in range(10)]


def test_a_gap_is_refused_with_the_record_that_is_expected(logged: Logged):
    writer = Writer()
    for step in range(9):
        writer.log({"loss": float(step)}, step)
    run = logged.start()
    logged.take(run, writer, 1, 3)
    with pytest.raises(Conflict, match=r"records 4 to 6 .* are missing") as told:
        logged.take(run, writer, 7, 9)
    assert told.value.expected == 4
    assert logged.take(run, writer, 7, 9, lost=3) == 9
    assert logged.take(run, writer, 7, 9, lost=3) == 9
    assert logged.metrics.series(run, "loss").steps.tolist() == [0, 1, 2, 6, 7, 8]
    assert logged.metrics.quality(run)["lost"] == 3


def test_two_writers_of_one_run_are_both_kept(logged: Logged):
    first, second = Writer("first"), Writer("second")
    for step in range(5):
        first.log({"loss": 1.0}, step)
        second.log({"loss": 2.0}, step)
    run = logged.start()
    logged.take(run, first, 1, 2)
    logged.take(run, second)
    logged.seal(run)
    logged.take(run, first, 3)
    assert logged.metrics.series(run, "loss").values.tolist() == [1, 1, 2, 2, 2, 2, 2, 1, 1, 1]
    assert logged.metrics.quality(run)["repeated"] == 5
    assert logged.metrics.latest(run)["loss"].last == 1.0


def test_batches_delivered_by_several_threads_at_once_count_once(logged: Logged, rng: Random):
    writers = [Writer(f"writer-{n}") for n in range(3)]
    for writer in writers:
        for step in range(60):
            writer.log({"loss": float(step)}, step)
    run = logged.start()

    def deliver(_: int) -> None:
        for first in range(1, 61, 10):
            for writer in writers:
                logged.take(run, writer, max(1, first - rng.randrange(5)), first + 9)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, range(4)))
    values = logged.metrics.series(run, "loss").values
    assert sorted(values.tolist()) == sorted(float(step) for step in range(60) for _ in writers)


def test_batches_delivered_by_two_processes_count_once(logged: Logged, place: str):
    run = logged.start()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=deliver_a_hundred, args=(place, run, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert logged.metrics.series(run, "loss").values.tolist() == list(range(100))


def test_damage_is_refused_and_nothing_is_kept(logged: Logged):
    writer = Writer()
    for step in range(50):
        writer.log({"loss": float(step)}, step)
    whole = writer.batch()
    run = logged.start()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(Invalid, match=r"damaged at byte|cannot be read|does not define"):
            logged.runs.append(run, writer=writer.id, first=1, records=bytes(damaged))
    with pytest.raises(Invalid, match=f"damaged at byte {len(whole) - 36} of {len(whole) - 1}"):
        logged.runs.append(run, writer=writer.id, first=1, records=whole[:-1])
    assert logged.rows(run)["metric_batch"] == 0
    assert logged.runs.acknowledged(run, writer.id) == 0


def frame(body: object, shape: int = frames.RECORD) -> bytes:
    return frames.encode(shape, body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (frame({"run": "ws/run"}, frames.HEAD), "does not belong"),
        (frame({"kind": "surprise", "time": 1}), "unknown to this version"),
        (frame({"kind": "value", "time": 1, "name": "a", "type": "int", "value": "much"}), "much"),
        (frame({"kind": "value", "time": 1, "name": "", "type": "text", "value": "x"}), "empty metric name"),
        (frame({"kind": "list", "time": 2**64, "name": "a", "items": []}), "beyond 64 bits"),
        (frame({"kind": "list", "time": 1, "name": "a", "items": 3}), "items of a record"),
        (frame({"kind": "row", "time": 1, "name": "a\0", "columns": {}}), "control character"),
        (frame({"id": 16, "step": "none", "columns": [["x" * 1025, "float"]]}, frames.SHAPE), "size limit"),
        (frame({"id": 16, "step": "none", "columns": [["a", "complex"]]}, frames.SHAPE), "complex"),
        (frame({"id": 3, "step": "none", "columns": [["a", "int"]]}, frames.SHAPE), "outside of what frames"),
        (Writer().log({"a": 1}).frames[0], "does not define"),
    ],
)
def test_what_no_reader_could_read_is_refused(logged: Logged, records: bytes, why: str):
    run = logged.start()
    with pytest.raises(Invalid, match=why):
        logged.runs.append(run, writer="writer", first=1, records=records)
    assert logged.rows(run)["metric_batch"] == 0


def test_points_logged_after_the_end_are_kept_and_counted_as_late(logged: Logged):
    run = logged.start()
    before, after = now(), now() + DAY
    logged.runs.move(run, Status.COMPLETED)
    writer = Writer().log({"loss": 1.0}, at=before).log({"loss": 2.0}, at=after)
    writer.record("value", at=after, name="phase", type="text", value="x")
    writer.record("describe", at=after, name="loss", text="of training")
    logged.take(run, writer)
    assert logged.metrics.quality(run)["late"] == 2
    assert logged.metrics.series(run, "loss").values.tolist() == [1.0, 2.0]


def test_points_after_an_end_that_was_only_assumed_are_not_late(logged: Logged):
    run = logged.start()
    logged.runs.move(run, Status.FAILED, error={"reason": "infrastructure"})
    logged.take(run, Writer().log({"loss": 1.0}, at=now() + DAY))
    assert logged.metrics.quality(run)["late"] == 0


def test_what_a_writer_counts_is_added_up(logged: Logged):
    writer = Writer().record("count", refused=2).record("count", refused=1, thinned=5)
    run = logged.start()
    logged.take(run, writer)
    logged.take(run, writer)
    quality = logged.metrics.quality(run)
    assert (quality["refused"], quality["thinned"]) == (3, 5)
    assert logged.runs.get(run).quality == {"refused": 3, "thinned": 5}


def test_a_deferred_operation_is_carried_out_once(logged: Logged):
    writer = Writer().log({"a": 1}).record("operation", call="runs.tag", arguments={"tags": {"k": "v"}})
    run = logged.start()
    logged.take(run, writer)
    logged.runs.untag(run, ["k"])
    logged.take(run, writer)
    assert logged.runs.get(run).tags == {}


def test_sealing_moves_every_point_once_and_again_changes_nothing(logged: Logged):
    run = logged.start()
    writer = Writer()
    for step in range(10_000):
        writer.log({"loss": step / 8, "epoch": step // 100}, step, START + step * 10**6)
    for first in range(1, 10_001, 1000):
        logged.take(run, writer, first, first + 999)
        if first % 3 == 0:
            logged.seal(run)
    before = logged.metrics.series(run, "loss")
    logged.seal(run)
    logged.seal(run)
    after = logged.metrics.series(run, "loss")
    assert logged.rows(run) == {"metric_batch": 0, "metric_chunk": 6, "metric_row": 0, "metric_latest": 2}
    for series in (before, after):
        assert series.steps.tolist() == list(range(10_000))
        assert series.values.tolist() == [step / 8 for step in range(10_000)]
        assert series.times.tolist() == [START // 10**6 + step for step in range(10_000)]
        assert series.kinds is None
    assert set(logged.metrics.series(run, "epoch").kinds.tolist()) == {1}


def test_runs_that_have_ended_are_sealed_and_the_others_are_refreshed(logged: Logged):
    ended, busy, many = (logged.start() for _ in range(3))
    for run in (ended, busy):
        logged.take(run, Writer().log({"loss": 0.5}, 1))
    for n in range(20):
        logged.take(many, Writer(f"writer-{n}").log({"loss": 0.5}, 1))
    logged.runs.move(ended, Status.COMPLETED)
    assert sealing.seal_waiting(logged.database, records=20) == 2
    assert [logged.rows(run)["metric_batch"] for run in (ended, busy, many)] == [0, 1, 0]
    assert [logged.rows(run)["metric_latest"] for run in (ended, busy, many)] == [1, 1, 1]
    assert sealing.seal_waiting(logged.database, age=0) == 1
    assert sealing.seal_waiting(logged.database, age=0) == 0
