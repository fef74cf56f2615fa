"""b24: as many metric names as a run can think of reach a cap, are counted, and make nobody else slow."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from runstone import Experiment
from runstone.journal.shipper import Shipper
from runstone.journal.sink import Limits
from runstone.store import sealing
from tests.scripts import Stage, quality


@pytest.fixture
def stage(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A history with an ordinary run in it, before there is another."""
    monkeypatch.setenv("RUNSTONE_CAPTURE", "none")
    run = Experiment(stage.workspace(), "ordinary").start_logging(run_id="ordinary", outputs=False)
    for step in range(100):
        run.log("loss", step / 8, step=step)
    run.complete()
    return stage


def look(stage: Stage) -> float:
    """What a person does with the ordinary run; the CPU time that it takes."""
    began = time.process_time()
    run = stage.see("ordinary")
    assert len(run.get_metrics()["loss"]) == 100
    assert len(run.get_metric_series("loss").steps) == 100
    assert run.get_metric_chart("loss", buckets=10).points == 100
    assert [found.id for found in stage.workspace().search_runs("metrics.loss.max > 12")] == ["ordinary"]
    assert quality(run) == {}
    return time.process_time() - began


def test_more_names_than_the_cap_are_counted_and_nobody_else_is_slow(
    stage: Stage, count: Callable[[int, int], int]
):
    names, cap = count(5_000, 1_000_000), count(4_000, 100_000)
    run = Experiment(stage.workspace(), "greedy").start_logging(run_id="greedy", outputs=False)
    said: list[str] = []
    shipper = Shipper(run._service, stage.journal, warn=said.append, limits=Limits(names=cap))
    writer = shipper.writer(run._ref)
    for number in range(names):
        writer.log(f"metric {number}", number / 3)
    for number in range(0, names, 97):
        writer.log(f"metric {number}", -1.0)
    assert shipper.finish(writer, timeout=600)
    refused = names - cap + len([number for number in range(0, names, 97) if number >= cap])
    assert quality(run) == {"refused": refused}
    (warning,) = said
    assert f"more than {cap:,} different metrics in a run" in warning
    assert f"'metric {cap}'" in warning
    found = run._service.metrics.latest(run._ref)
    assert len(found) == cap
    assert found["metric 1"].last == 1 / 3
    assert found["metric 97"].last == -1.0
    run.complete()
    sealing.seal_waiting(run._service.database)
    # an ordinary read takes milliseconds; a second would mean that it reads what is not its own
    look(stage)
    assert look(stage) < 1.0
    assert len(run.get_metrics()) == cap
    shipper.close()


def test_the_cap_of_the_sdk_is_a_hundred_thousand_names():
    assert Limits().names == 100_000
