"""Metrics, taken in, sealed and read: the same on every database."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np
import pytest

from runstone.journal import frames
from runstone.model.errors import Conflict, Invalid, NotFound
from runstone.model.metrics import Series
from runstone.model.runs import Status
from runstone.store import sealing
from runstone.store.database import open_database
from tests.histories import KINDS, address
from tests.logged import START, Logged, Writer, deliver_a_hundred, now

DAY = 86_400_000_000_000


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with address(request.param, tmp_path, request) as at:
        yield at


@pytest.fixture
def history(place: str) -> Iterator[Logged]:
    with closing(open_database(place)) as database:
        found = Logged(database)
        found.begin()
        yield found


@pytest.fixture(params=["waiting", "sealed"])
def settled(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(history: Logged, run: str, settled: str) -> dict[str, Series]:
    if settled == "sealed":
        history.seal(run)
    return dict(history.metrics.values([run])[run])


def test_values_come_back_as_they_were_logged(history: Logged, settled: str):
    writer = Writer().log({"a": 1}).log({"a": 2.5}).log({"b": True, "c": 0.1}).log({"a": -0.0})
    writer.record("value", name="a", type="text", value="warm-up")
    writer.record("value", name="a", type="int", value=str(10**30)).log({"a": 2**63 - 1})
    history.take(run := history.start(), writer)
    found = read(history, run, settled)
    logged = list(found["a"].logged())
    assert logged == [
        ("scalar", 1),
        ("scalar", 2.5),
        ("scalar", 0.0),
        ("text", "warm-up"),
        ("scalar", 10**30),
        ("scalar", 2**63 - 1),
    ]
    assert [type(value) for _, value in logged] == [int, float, float, str, int, int]
    assert math.copysign(1, logged[2][1]) == -1
    assert list(found["b"].logged()) == [("scalar", True)]
    assert list(found) == ["a", "b", "c"]


def test_rows_tables_lists_and_artifacts_keep_their_order(history: Logged, settled: str):
    writer = Writer().record("row", name="r", columns={"x": 1, "\u03b1": 2.5})
    writer.record("table", name="r", columns={"x": [3, None], "y": ["한", float("nan")]})
    writer.record("list", name="l", items=[1, 2.5, True]).record("list", name="l", items=["a", None, 2**70])
    writer.record("list", name="l", items=[7]).record("list", name="none", items=[])
    uri = "aml://artifactId/ExperimentRun/dcid.run/plot.png"
    writer.record("artifact", name="plot", type="image", uri=uri)
    history.take(run := history.start(), writer)
    found = read(history, run, settled)
    (row, first), (table, second) = found["r"].logged()
    assert (row, first, table) == ("row", {"x": 1, "\u03b1": 2.5}, "table")
    assert second["x"] == [3, None]
    assert second["y"][0] == "한"
    assert math.isnan(second["y"][1])
    assert [value for _, value in found["l"].logged()] == [1, 2.5, True, "a", None, 2**70, 7]
    assert list(found["plot"].logged()) == [("image", uri)]
    assert "none" not in found
    assert history.metrics.latest(run)["plot"].value == uri


def test_what_is_no_number_to_json_comes_back(history: Logged, settled: str):
    odd = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308]
    writer = Writer()
    for value in odd:
        writer.log({"odd": value})
    writer.record("list", name="listed", items=odd)
    history.take(run := history.start(), writer)
    found = read(history, run, settled)
    expected = np.array(odd).tobytes()
    assert found["odd"].values.tobytes() == expected
    assert found["listed"].values.tobytes() == expected
    latest = history.metrics.latest(run)["odd"]
    assert (latest.count, latest.points, latest.nans) == (6, 5, 1)
    assert (latest.min, latest.max, latest.first, latest.sum) == (-math.inf, math.inf, math.inf, None)
    assert latest.last == odd[-1]
    assert history.metrics.quality(run)["nan"] == 2


def test_a_last_value_that_is_no_number_is_told(history: Logged):
    history.take(run := history.start(), Writer().log({"loss": 1.0}).log({"loss": math.nan}))
    history.refresh(run)
    latest = history.metrics.latest(run)["loss"]
    assert latest.last is not None
    assert math.isnan(latest.last)
    assert (latest.min, latest.max, latest.mean) == (1.0, 1.0, 1.0)


def test_steps_may_be_missing_repeated_negative_fractional_or_huge(history: Logged, settled: str):
    steps = [None, 3, 3, -5, 2**62, None, -(2**63)]
    writer = Writer()
    for step in steps:
        writer.log({"whole": 1.0}, step)
        writer.log({"parts": 1.0}, step if step is None else step / 2)
    history.take(run := history.start(), writer)
    found = read(history, run, settled)
    assert found["whole"].steps.dtype == np.int64
    assert found["whole"].steps.tolist() == [0, 3, 3, -5, 2**62, 5, -(2**63)]
    assert found["parts"].steps.tolist() == [0, 1.5, 1.5, -2.5, 2.0**61, 5, -(2.0**62)]
    assert history.metrics.quality(run)["repeated"] == 2


def test_times_are_those_of_the_log_calls_whatever_the_clock_did(history: Logged, settled: str):
    times = [START, START + 10 * 365 * DAY, START - 3_600_000_000_000]
    writer = Writer()
    for step, at in enumerate(times):
        writer.log({"a": float(step)}, step, at)
    history.take(run := history.start(), writer)
    assert read(history, run, settled)["a"].times.tolist() == [at // 10**6 for at in times]


def test_a_batch_that_is_delivered_again_counts_once(history: Logged):
    writer = Writer()
    for step in range(10):
        writer.log({"loss": float(step)}, step)
    run = history.start()
    assert [history.take(run, writer) for _ in range(3)] == [10, 10, 10]
    history.seal(run)
    assert history.take(run, writer) == 10
    assert history.metrics.series(run, "loss").values.tolist() == list(range(10))
    assert history.runs.acknowledged(run, writer.id) == 10
    assert history.runs.acknowledged(run, "another") == 0


def test_of_an_overlapping_batch_the_new_part_is_kept(history: Logged):
    writer = Writer()
    for step in range(10):
        writer.log({"loss": float(step)}, step).record("value", name="phase", type="text", value=str(step))
    run = history.start()
    assert history.take(run, writer, 1, 7) == 7
    assert history.take(run, writer, 3, 20) == 20
    assert history.metrics.series(run, "loss").values.tolist() == list(range(10))
    phases = history.metrics.series(run, "phase").entries
    assert [entry.value for entry in phases] == [str(step) for step in range(10)]


def test_a_gap_is_refused_with_the_record_that_is_expected(history: Logged):
    writer = Writer()
    for step in range(9):
        writer.log({"loss": float(step)}, step)
    run = history.start()
    history.take(run, writer, 1, 3)
    with pytest.raises(Conflict, match=r"records 4 to 6 .* are missing") as told:
        history.take(run, writer, 7, 9)
    assert told.value.expected == 4
    assert history.take(run, writer, 7, 9, lost=3) == 9
    assert history.take(run, writer, 7, 9, lost=3) == 9
    assert history.metrics.series(run, "loss").steps.tolist() == [0, 1, 2, 6, 7, 8]
    assert history.metrics.quality(run)["lost"] == 3


def test_two_writers_of_one_run_are_both_kept(history: Logged):
    first, second = Writer("first"), Writer("second")
    for step in range(5):
        first.log({"loss": 1.0}, step)
        second.log({"loss": 2.0}, step)
    run = history.start()
    history.take(run, first, 1, 2)
    history.take(run, second)
    history.seal(run)
    history.take(run, first, 3)
    assert history.metrics.series(run, "loss").values.tolist() == [1, 1, 2, 2, 2, 2, 2, 1, 1, 1]
    assert history.metrics.quality(run)["repeated"] == 5
    assert history.metrics.latest(run)["loss"].last == 1.0


def test_batches_delivered_by_several_threads_at_once_count_once(history: Logged, rng: Random):
    writers = [Writer(f"writer-{n}") for n in range(3)]
    for writer in writers:
        for step in range(60):
            writer.log({"loss": float(step)}, step)
    run = history.start()

    def deliver(_: int) -> None:
        for first in range(1, 61, 10):
            for writer in writers:
                history.take(run, writer, max(1, first - rng.randrange(5)), first + 9)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, range(4)))
    values = history.metrics.series(run, "loss").values
    assert sorted(values.tolist()) == sorted(float(step) for step in range(60) for _ in writers)


def test_batches_delivered_by_two_processes_count_once(history: Logged, place: str):
    run = history.start()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=deliver_a_hundred, args=(place, run, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert history.metrics.series(run, "loss").values.tolist() == list(range(100))


def test_damage_is_refused_and_nothing_is_kept(history: Logged):
    writer = Writer()
    for step in range(50):
        writer.log({"loss": float(step)}, step)
    whole = writer.batch()
    run = history.start()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(Invalid, match=r"damaged at byte|cannot be read|does not define"):
            history.runs.append(run, writer=writer.id, first=1, records=bytes(damaged))
    with pytest.raises(Invalid, match=f"damaged at byte {len(whole) - 36} of {len(whole) - 1}"):
        history.runs.append(run, writer=writer.id, first=1, records=whole[:-1])
    assert history.rows(run)["metric_batch"] == 0
    assert history.runs.acknowledged(run, writer.id) == 0


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
def test_what_no_reader_could_read_is_refused(history: Logged, records: bytes, why: str):
    run = history.start()
    with pytest.raises(Invalid, match=why):
        history.runs.append(run, writer="writer", first=1, records=records)
    assert history.rows(run)["metric_batch"] == 0


def test_points_logged_after_the_end_are_kept_and_counted_as_late(history: Logged):
    run = history.start()
    before, after = now(), now() + DAY
    history.runs.move(run, Status.COMPLETED)
    writer = Writer().log({"loss": 1.0}, at=before).log({"loss": 2.0}, at=after)
    writer.record("value", at=after, name="phase", type="text", value="x")
    writer.record("describe", at=after, name="loss", text="of training")
    history.take(run, writer)
    assert history.metrics.quality(run)["late"] == 2
    assert history.metrics.series(run, "loss").values.tolist() == [1.0, 2.0]


def test_points_after_an_end_that_was_only_assumed_are_not_late(history: Logged):
    run = history.start()
    history.runs.move(run, Status.FAILED, error={"reason": "infrastructure"})
    history.take(run, Writer().log({"loss": 1.0}, at=now() + DAY))
    assert history.metrics.quality(run)["late"] == 0


def test_what_a_writer_counts_is_added_up(history: Logged):
    writer = Writer().record("count", refused=2).record("count", refused=1, thinned=5)
    run = history.start()
    history.take(run, writer)
    history.take(run, writer)
    quality = history.metrics.quality(run)
    assert (quality["refused"], quality["thinned"]) == (3, 5)
    assert history.runs.get(run).quality == {"refused": 3, "thinned": 5}


def test_a_deferred_operation_is_carried_out_once(history: Logged):
    writer = Writer().log({"a": 1}).record("operation", call="runs.tag", arguments={"tags": {"k": "v"}})
    run = history.start()
    history.take(run, writer)
    history.runs.untag(run, ["k"])
    history.take(run, writer)
    assert history.runs.get(run).tags == {}


def test_a_description_is_kept_beside_the_values(history: Logged, settled: str):
    writer = Writer().record("describe", name="none", text="never logged")
    writer.log({"loss": 0.5}).record("describe", name="loss", text="of training")
    history.take(run := history.start(), writer)
    assert list(read(history, run, settled)) == ["loss"]
    assert history.metrics.names(run) == ("loss",)
    assert history.metrics.latest(run)["loss"].description == "of training"


def test_sealing_moves_every_point_once_and_again_changes_nothing(history: Logged):
    run = history.start()
    writer = Writer()
    for step in range(10_000):
        writer.log({"loss": step / 8, "epoch": step // 100}, step, START + step * 10**6)
    for first in range(1, 10_001, 1000):
        history.take(run, writer, first, first + 999)
        if first % 3 == 0:
            history.seal(run)
    before = history.metrics.series(run, "loss")
    history.seal(run)
    history.seal(run)
    after = history.metrics.series(run, "loss")
    assert history.rows(run) == {"metric_batch": 0, "metric_chunk": 6, "metric_row": 0, "metric_latest": 2}
    for series in (before, after):
        assert series.steps.tolist() == list(range(10_000))
        assert series.values.tolist() == [step / 8 for step in range(10_000)]
        assert series.times.tolist() == [START // 10**6 + step for step in range(10_000)]
        assert series.kinds is None
    assert set(history.metrics.series(run, "epoch").kinds.tolist()) == {1}


def test_runs_that_have_ended_are_sealed_and_the_others_are_refreshed(history: Logged):
    ended, busy, many = (history.start() for _ in range(3))
    for run in (ended, busy):
        history.take(run, Writer().log({"loss": 0.5}, 1))
    for n in range(20):
        history.take(many, Writer(f"writer-{n}").log({"loss": 0.5}, 1))
    history.runs.move(ended, Status.COMPLETED)
    assert sealing.seal_waiting(history.database, records=20) == 2
    assert [history.rows(run)["metric_batch"] for run in (ended, busy, many)] == [0, 1, 0]
    assert [history.rows(run)["metric_latest"] for run in (ended, busy, many)] == [1, 1, 1]
    assert sealing.seal_waiting(history.database, age=0) == 1
    assert sealing.seal_waiting(history.database, age=0) == 0


def test_a_part_of_a_series_is_asked_for_by_its_steps(history: Logged, settled: str):
    run = history.start()
    writer = Writer()
    for step in range(9000):
        writer.log({"a": float(step)}, step)
        if step % 1000 == 0:
            writer.record("value", name="a", type="text", value=str(step), step=step)
            writer.log({"a": 2**60 + step}, step)
    history.take(run, writer)
    read(history, run, settled)
    part = history.metrics.series(run, "a", start=4990, stop=5002)
    middle = [4998.0, 4999.0, 5000.0, float(2**60 + 5000), 5001.0]
    assert part.values.tolist()[8:] == middle
    assert part.steps.tolist() == [*range(4990, 5001), 5000, 5001]
    kinds = [(kind, value) for kind, value in part.logged()][10:]
    assert kinds == [("scalar", 5000.0), ("text", "5000"), ("scalar", 2**60 + 5000), ("scalar", 5001.0)]
    assert len(history.metrics.series(run, "a", start=1e9).values) == 0


def test_a_chart_has_exact_extremes_in_every_bucket(history: Logged, settled: str):
    run = history.start()
    writer = Writer()
    for step in range(20_000):
        writer.log({"a": 1000.0 if step == 12_345 else step % 7}, step) if step != 777 else None
    history.take(run, writer)
    read(history, run, settled)
    chart = history.metrics.chart(run, "a", buckets=3)
    assert (chart.points, chart.holes, chart.start, chart.stop) == (19_999, 0, 0.0, 19_999.0)
    assert chart.index.tolist() == [0, 1, 2]
    assert chart.x_first.tolist() == [0, 6667, 13333]
    assert chart.x_last.tolist() == [6666, 13332, 19999]
    assert chart.n.tolist() == [6666, 6666, 6667]
    assert (chart.min.tolist(), chart.max.tolist()) == ([0, 0, 0], [6, 1000, 6])
    assert chart.first.tolist() == [0, 6667 % 7, 13333 % 7]
    assert chart.last.tolist() == [6666 % 7, 13332 % 7, 19999 % 7]
    wide = history.metrics.chart(run, "a", buckets=10, start=776, stop=778)
    assert (wide.index.tolist(), wide.x_first.tolist(), wide.points) == ([0, 9], [776, 778], 2)


def test_a_chart_over_time_minds_a_clock_that_was_set_back(history: Logged, settled: str):
    run = history.start()
    writer = Writer()
    for step in range(5000):
        back = 10**12 if 100 < step < 200 else 0
        writer.log({"a": float(step)}, step, START + step * 10**9 - back)
    history.take(run, writer)
    read(history, run, settled)
    chart = history.metrics.chart(run, "a", buckets=2, x="time", stop=START // 10**6)
    assert chart.points == 100
    assert (chart.max.max(), chart.x_last.max()) == (199, START // 10**6)


def test_what_is_not_there_is_told_with_what_is(history: Logged):
    run = history.start()
    history.take(run, Writer().log({"loss": 0.5}).log({"acc": 0.5}))
    for ask in (history.metrics.series, history.metrics.chart):
        with pytest.raises(NotFound, match="no metric 'acuracy'; it has acc, loss"):
            ask(run, "acuracy")
    with pytest.raises(Invalid, match=r"1 to 10,000 buckets.*got 0 over 'step'"):
        history.metrics.chart(run, "loss", buckets=0)
    with pytest.raises(Invalid, match="got 9 over 'epoch'"):
        history.metrics.chart(run, "loss", buckets=9, x="epoch")
    assert history.metrics.values([run], "acuracy") == {run: {}}
    assert dict(history.metrics.latest(history.start())) == {}


def test_many_names_in_one_run_are_kept_apart(history: Logged):
    run = history.start()
    names = [f"metric {n}" for n in range(700)]
    history.take(run, Writer().log({name: float(n) for n, name in enumerate(names)}))
    history.seal(run)
    history.take(run, Writer("more").log({name: -1.0 for name in names[:500]}))
    history.refresh(run)
    found = history.metrics.values([run])[run]
    assert {name: series.values.tolist() for name, series in found.items()} == {
        name: [float(n), -1.0] if n < 500 else [float(n)] for n, name in enumerate(names)
    }


def test_a_name_that_was_composed_differently_is_the_same_metric(history: Logged):
    run = history.start()
    history.take(run, Writer().log({"pre\u0301cision": 1.0}).log({"pr\u00e9cision": 2.0}))
    for name in ("pre\u0301cision", "pr\u00e9cision"):
        assert history.metrics.series(run, name).values.tolist() == [1.0, 2.0]
        assert list(history.metrics.values([run], name)[run]) == ["pr\u00e9cision"]
        assert history.metrics.chart(run, name).points == 2
    assert history.metrics.values([run], "\ud800") == {run: {}}
