"""b9: the clock jumps back or years ahead: order is by number, durations are right, odd times are marked."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import pytest

from runstone import Experiment
from tests.scripts import Stage, quality
from tests.sources import ROOT

HOUR = 3_600
YEARS = 10 * 365 * 24 * HOUR

# Every clock of the day goes by what the script sets; the one that measures spans is left alone.
CLOCK = """
import datetime, time
real = time.time_ns
time.shift = 0
time.time_ns = lambda: real() + round(time.shift * 1e9)
time.time = lambda: time.time_ns() / 1e9
"""
WORK = """
run = begin()
before = time.time_ns()
for i in range(400):
    if i == 200:
        time.shift = float(sys.argv[1])
    run.log("loss", i / 7, step=i)
    run.log("plain", i / 7)
    run.log_row("rows", i=i)
time.sleep(1.2)
run.tag("after", "1")
with run.child_run(run_id="child") as child:
    child.log("loss", 1.0)
run.complete()
time.shift = 0
print(before // 10**6, time.time_ns() // 10**6)
"""


def shifted(stage: Stage) -> Mapping[str, str]:
    """An environment in which Python begins with a clock that can be set."""
    folder = stage.folder / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CLOCK)
    return {"PYTHONPATH": f"{folder}:{ROOT / 'src'}"}


@pytest.mark.parametrize("jump", [-HOUR, HOUR, YEARS, -6 * YEARS])
def test_a_clock_that_jumps_changes_no_order(stage: Stage, jump: float):
    ended = stage.run(WORK, jump, environment=shifted(stage))
    assert (ended.returncode, ended.stderr) == (0, "")
    begun, over = map(int, ended.stdout.split())
    run = stage.see()
    for name in ("loss", "plain"):
        found = run.get_metric_series(name)
        assert np.array_equal(found.values, np.arange(400) / 7)
        assert np.array_equal(found.steps, np.arange(400))
        # the times are those that the clock said
        assert np.all((begun - 1 <= found.times[:200]) & (found.times[:200] <= over))
        late = found.times[200:] - round(jump * 1000)
        assert np.all((begun - 1 <= late) & (late <= over))
    assert run.get_metrics("rows")["rows"]["i"] == list(range(400))
    assert run.status == "Completed"
    assert quality(run).pop("clock_jumps") >= 1
    for each in (run, stage.see("child")):
        assert each._record.duration is not None
        # by the clock that never jumps
        assert 0 <= each._record.duration < 60
        assert each._record.status == "Completed"
        assert each.get_details()["endTimeUtc"] is not None


def test_every_point_from_before_an_earlier_one_is_counted(stage: Stage):
    script = """
run = begin()
for i in range(300):
    if i == 100:
        time.shift = -3600.0
    run.log("loss", i)
    run.log_row("rows", i=i)
time.shift = 0.0
run.log("loss", 300)
run.complete()
"""
    ended = stage.run(script, environment=shifted(stage))
    assert (ended.returncode, ended.stderr) == (0, "")
    run = stage.see()
    # all 600 if they were taken in while the clock was wrong: the first 100 then lay an hour ahead of it
    assert 400 <= quality(run)["odd_times"] <= 600
    assert run.get_metrics("loss")["loss"] == list(range(301))


def test_points_from_years_after_their_receipt_are_counted(stage: Stage):
    script = """
run = begin()
time.shift = float(sys.argv[1])
for i in range(50):
    run.log("loss", i)
os.kill(os.getpid(), 9)
"""
    ended = stage.run(script, YEARS, environment=shifted(stage))
    assert ended.returncode == -9
    run = stage.see()
    assert quality(run) == {"odd_times": 50}
    found = run.get_metric_series("loss")
    assert np.array_equal(found.values, np.arange(50))
    assert np.all(found.times > (time.time() + YEARS - HOUR) * 1000)


def test_a_clock_that_nobody_sets_marks_nothing(stage: Stage):
    ended = stage.run(WORK, 0, environment=shifted(stage))
    assert ended.returncode == 0
    assert quality(stage.see()) == {}


def test_points_from_the_future_are_marked_as_late_and_kept(stage: Stage):
    script = """
time.shift = 3600.0
run = begin()
run.log("loss", 1.0)
time.shift = 0.0
run.complete()
"""
    ended = stage.run(script, environment=shifted(stage))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert stage.see().get_metrics() == {"loss": 1.0}
    assert 0 < stage.see()._record.duration < 60


def test_charts_over_time_take_times_in_any_order(stage: Stage):
    ended = stage.run(WORK, -HOUR, environment=shifted(stage))
    assert ended.returncode == 0
    chart = stage.see().get_metric_chart("loss", buckets=50, x="time")
    assert int(np.sum(chart.n)) == chart.points == 400
    assert np.nanmin(chart.min) == 0
    assert np.nanmax(chart.max) == 399 / 7


def test_an_order_by_start_is_the_order_of_their_clocks_and_newest_first_is_not_broken(stage: Stage):
    script = """
for at, shift in enumerate([0, -3600, 3600, 0]):
    time.shift = float(shift)
    begin(f"r{at}").complete()
"""
    assert stage.run(script, environment=shifted(stage)).returncode == 0
    found = [run.id for run in Experiment(stage.workspace(), "faults").get_runs()]
    assert sorted(found) == ["r0", "r1", "r2", "r3"]
    assert [run._record.number for run in map(stage.see, ("r0", "r1", "r2", "r3"))] == [1, 2, 3, 4]


def test_a_reader_whose_clock_is_years_ahead_ends_no_living_run(stage: Stage):
    reader = """
time.shift = float(sys.argv[1])
run = Workspace.from_config().get_run("r")
print(run.status, run.get_metrics())
"""
    writer = stage.start("run = begin()\nrun.log('loss', 1.0)\nsay('ready')\nwait_for('done')\n")
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    environment = shifted(stage)
    for shift in (YEARS, -HOUR):
        ended = stage.run(reader, shift, environment=environment)
        assert (ended.stdout, ended.stderr) == ("Running {'loss': 1.0}\n", "")
    stage.tell("done")
    assert writer.wait(timeout=60) == 0
    assert stage.see().status == "Completed"
