"""What was logged is read as it was, waiting and sealed alike: the same on every database."""

from __future__ import annotations

import math

import numpy as np
import pytest

from runstone.model.errors import Invalid, NotFound
from runstone.model.metrics import Series
from tests.logged import START, Logged, Writer

DAY = 86_400_000_000_000


def read(logged: Logged, run: str, settled: str) -> dict[str, Series]:
    if settled == "sealed":
        logged.seal(run)
    return dict(logged.metrics.values([run])[run])


def test_values_come_back_as_they_were_logged(logged: Logged, settled: str):
    writer = Writer().log({"a": 1}).log({"a": 2.5}).log({"b": True, "c": 0.1}).log({"a": -0.0})
    writer.record("value", name="a", type="text", value="warm-up")
    writer.record("value", name="a", type="int", value=str(10**30)).log({"a": 2**63 - 1})
    logged.take(run := logged.start(), writer)
    found = read(logged, run, settled)
    values = list(found["a"].logged())
    assert values == [
        ("scalar", 1),
        ("scalar", 2.5),
        ("scalar", 0.0),
        ("text", "warm-up"),
        ("scalar", 10**30),
        ("scalar", 2**63 - 1),
    ]
    assert [type(value) for _, value in values] == [int, float, float, str, int, int]
    assert math.copysign(1, values[2][1]) == -1
    assert list(found["b"].logged()) == [("scalar", True)]
    assert list(found) == ["a", "b", "c"]


def test_rows_tables_lists_and_artifacts_keep_their_order(logged: Logged, settled: str):
    writer = Writer().record("row", name="r", columns={"x": 1, "\u03b1": 2.5})
    writer.record("table", name="r", columns={"x": [3, None], "y": ["한", float("nan")]})
    writer.record("list", name="l", items=[1, 2.5, True]).record("list", name="l", items=["a", None, 2**70])
    writer.record("list", name="l", items=[7]).record("list", name="none", items=[])
    uri = "aml://artifactId/ExperimentRun/dcid.run/plot.png"
    writer.record("artifact", name="plot", type="image", uri=uri)
    logged.take(run := logged.start(), writer)
    found = read(logged, run, settled)
    (row, first), (table, second) = found["r"].logged()
    assert (row, first, table) == ("row", {"x": 1, "\u03b1": 2.5}, "table")
    assert second["x"] == [3, None]
    assert second["y"][0] == "한"
    assert math.isnan(second["y"][1])
    assert [value for _, value in found["l"].logged()] == [1, 2.5, True, "a", None, 2**70, 7]
    assert list(found["plot"].logged()) == [("image", uri)]
    assert "none" not in found
    assert logged.metrics.latest(run)["plot"].value == uri


def test_what_is_no_number_to_json_comes_back(logged: Logged, settled: str):
    odd = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308]
    writer = Writer()
    for value in odd:
        writer.log({"odd": value})
    writer.record("list", name="listed", items=odd)
    logged.take(run := logged.start(), writer)
    found = read(logged, run, settled)
    expected = np.array(odd).tobytes()
    assert found["odd"].values.tobytes() == expected
    assert found["listed"].values.tobytes() == expected
    latest = logged.metrics.latest(run)["odd"]
    assert (latest.count, latest.points, latest.nans) == (6, 5, 1)
    assert (latest.min, latest.max, latest.first, latest.sum) == (-math.inf, math.inf, math.inf, None)
    assert latest.last == odd[-1]
    assert logged.metrics.quality(run)["nan"] == 2


def test_a_last_value_that_is_no_number_is_told(logged: Logged):
    logged.take(run := logged.start(), Writer().log({"loss": 1.0}).log({"loss": math.nan}))
    logged.refresh(run)
    latest = logged.metrics.latest(run)["loss"]
    assert latest.last is not None
    assert math.isnan(latest.last)
    assert (latest.min, latest.max, latest.mean) == (1.0, 1.0, 1.0)


def test_steps_may_be_missing_repeated_negative_fractional_or_huge(logged: Logged, settled: str):
    steps = [None, 3, 3, -5, 2**62, None, -(2**63)]
    writer = Writer()
    for step in steps:
        writer.log({"whole": 1.0}, step)
        writer.log({"parts": 1.0}, step if step is None else step / 2)
    logged.take(run := logged.start(), writer)
    found = read(logged, run, settled)
    assert found["whole"].steps.dtype == np.int64
    assert found["whole"].steps.tolist() == [0, 3, 3, -5, 2**62, 5, -(2**63)]
    assert found["parts"].steps.tolist() == [0, 1.5, 1.5, -2.5, 2.0**61, 5, -(2.0**62)]
    assert logged.metrics.quality(run)["repeated"] == 2


def test_times_are_those_of_the_log_calls_whatever_the_clock_did(logged: Logged, settled: str):
    times = [START, START + 10 * 365 * DAY, START - 3_600_000_000_000]
    writer = Writer()
    for step, at in enumerate(times):
        writer.log({"a": float(step)}, step, at)
    logged.take(run := logged.start(), writer)
    assert read(logged, run, settled)["a"].times.tolist() == [at // 10**6 for at in times]


def test_a_description_is_kept_beside_the_values(logged: Logged, settled: str):
    writer = Writer().record("describe", name="none", text="never logged")
    writer.log({"loss": 0.5}).record("describe", name="loss", text="of training")
    logged.take(run := logged.start(), writer)
    assert list(read(logged, run, settled)) == ["loss"]
    assert logged.metrics.names(run) == ("loss",)
    assert logged.metrics.latest(run)["loss"].description == "of training"


def test_a_part_of_a_series_is_asked_for_by_its_steps(logged: Logged, settled: str):
    run = logged.start()
    writer = Writer()
    for step in range(9000):
        writer.log({"a": float(step)}, step)
        if step % 1000 == 0:
            writer.record("value", name="a", type="text", value=str(step), step=step)
            writer.log({"a": 2**60 + step}, step)
    logged.take(run, writer)
    read(logged, run, settled)
    part = logged.metrics.series(run, "a", start=4990, stop=5002)
    middle = [4998.0, 4999.0, 5000.0, float(2**60 + 5000), 5001.0]
    assert part.values.tolist()[8:] == middle
    assert part.steps.tolist() == [*range(4990, 5001), 5000, 5001]
    kinds = [(kind, value) for kind, value in part.logged()][10:]
    assert kinds == [("scalar", 5000.0), ("text", "5000"), ("scalar", 2**60 + 5000), ("scalar", 5001.0)]
    assert len(logged.metrics.series(run, "a", start=1e9).values) == 0


def test_a_chart_has_exact_extremes_in_every_bucket(logged: Logged, settled: str):
    run = logged.start()
    writer = Writer()
    for step in range(20_000):
        writer.log({"a": 1000.0 if step == 12_345 else step % 7}, step) if step != 777 else None
    logged.take(run, writer)
    read(logged, run, settled)
    chart = logged.metrics.chart(run, "a", buckets=3)
    assert (chart.points, chart.holes, chart.start, chart.stop) == (19_999, 0, 0.0, 19_999.0)
    assert chart.index.tolist() == [0, 1, 2]
    assert chart.x_first.tolist() == [0, 6667, 13333]
    assert chart.x_last.tolist() == [6666, 13332, 19999]
    assert chart.n.tolist() == [6666, 6666, 6667]
    assert (chart.min.tolist(), chart.max.tolist()) == ([0, 0, 0], [6, 1000, 6])
    assert chart.first.tolist() == [0, 6667 % 7, 13333 % 7]
    assert chart.last.tolist() == [6666 % 7, 13332 % 7, 19999 % 7]
    wide = logged.metrics.chart(run, "a", buckets=10, start=776, stop=778)
    assert (wide.index.tolist(), wide.x_first.tolist(), wide.points) == ([0, 9], [776, 778], 2)


def test_a_chart_over_time_minds_a_clock_that_was_set_back(logged: Logged, settled: str):
    run = logged.start()
    writer = Writer()
    for step in range(5000):
        back = 10**12 if 100 < step < 200 else 0
        writer.log({"a": float(step)}, step, START + step * 10**9 - back)
    logged.take(run, writer)
    read(logged, run, settled)
    chart = logged.metrics.chart(run, "a", buckets=2, x="time", stop=START // 10**6)
    assert chart.points == 100
    assert (chart.max.max(), chart.x_last.max()) == (199, START // 10**6)


def test_what_is_not_there_is_told_with_what_is(logged: Logged):
    run = logged.start()
    logged.take(run, Writer().log({"loss": 0.5}).log({"acc": 0.5}))
    for ask in (logged.metrics.series, logged.metrics.chart):
        with pytest.raises(NotFound, match="no metric 'acuracy'; it has acc, loss"):
            ask(run, "acuracy")
    with pytest.raises(Invalid, match=r"1 to 10,000 buckets.*got 0 over 'step'"):
        logged.metrics.chart(run, "loss", buckets=0)
    with pytest.raises(Invalid, match="got 9 over 'epoch'"):
        logged.metrics.chart(run, "loss", buckets=9, x="epoch")
    assert logged.metrics.values([run], "acuracy") == {run: {}}
    assert dict(logged.metrics.latest(logged.start())) == {}


def test_many_names_in_one_run_are_kept_apart(logged: Logged):
    run = logged.start()
    names = [f"metric {n}" for n in range(700)]
    logged.take(run, Writer().log({name: float(n) for n, name in enumerate(names)}))
    logged.seal(run)
    logged.take(run, Writer("more").log({name: -1.0 for name in names[:500]}))
    logged.refresh(run)
    found = logged.metrics.values([run])[run]
    assert {name: series.values.tolist() for name, series in found.items()} == {
        name: [float(n), -1.0] if n < 500 else [float(n)] for n, name in enumerate(names)
    }


def test_a_name_that_was_composed_differently_is_the_same_metric(logged: Logged):
    run = logged.start()
    logged.take(run, Writer().log({"pre\u0301cision": 1.0}).log({"pr\u00e9cision": 2.0}))
    for name in ("pre\u0301cision", "pr\u00e9cision"):
        assert logged.metrics.series(run, name).values.tolist() == [1.0, 2.0]
        assert list(logged.metrics.values([run], name)[run]) == ["pr\u00e9cision"]
        assert logged.metrics.chart(run, name).points == 2
    assert logged.metrics.values([run], "\ud800") == {run: {}}


def test_points_without_a_step_repeat_none(logged: Logged):
    run = logged.start()
    writer = Writer().log({"a": 1.0}).record("value", name="a", type="text", value="x").log({"a": 2.0})
    logged.take(run, writer, 1, 1)
    logged.seal(run)
    logged.take(run, writer, 2, 3)
    for _ in range(2):
        assert logged.metrics.series(run, "a").steps.tolist() == [0, 2]
        assert logged.metrics.quality(run)["repeated"] == 0
        logged.seal(run)


def test_summaries_of_several_runs_are_those_of_each(logged: Logged, settled: str):
    runs = [logged.start() for _ in range(3)]
    for number, run in enumerate(runs[:2]):
        logged.take(run, Writer().log({"loss": float(number)}).log({"loss": 0.5}))
        read(logged, run, settled)
    together = logged.metrics.latest_of(runs)
    assert {run: dict(logged.metrics.latest(run)) for run in runs} == together
    assert [together[run]["loss"].first for run in runs[:2]] == [0.0, 1.0]
    assert together[runs[2]] == {}
    with pytest.raises(NotFound):
        logged.metrics.latest_of(["ws/nothing"])
