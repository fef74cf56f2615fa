"""Jobs and compute targets, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from runstone.model.errors import Conflict, Invalid
from runstone.model.jobs import DRIVERS, LOCAL, Spec, Target
from runstone.model.runs import NewRun, Status
from runstone.service.experiments import Experiments
from runstone.service.jobs import Jobs
from runstone.service.workspaces import Workspaces
from runstone.store.database import open_database


@dataclass(frozen=True)
class Queue:
    """A workspace whose runs are submitted."""

    jobs: Jobs
    experiment: str

    def submit(self, id: str, *, parent: str | None = None, **more: object) -> Status:
        new = NewRun(id=id, experiment=self.experiment, parent=parent)
        return self.jobs.submit("ws", new, spec=Spec(("true",), **more)).status  # type: ignore[arg-type]


@pytest.fixture
def queue(place: str, tmp_path: Path) -> Iterator[Queue]:
    with closing(open_database(place)) as database:
        Workspaces(database).create("ws")
        experiment = Experiments(database).create("ws", "sweeps")
        yield Queue(Jobs(database, settle=lambda: None, root=tmp_path), experiment.id)


def test_a_run_whose_end_was_asked_for_gets_no_more_children(queue: Queue):
    queue.submit("parent")
    queue.submit("first", parent="ws/parent")
    queue.jobs.claim(LOCAL, agent="a", most=2)
    queue.jobs.cancel("ws/parent")
    with pytest.raises(Conflict, match="'parent' is CancelRequested: it gets no more children"):
        queue.submit("second", parent="ws/parent")
    queue.submit("other")
    queue.jobs.cancel("ws/other")
    with pytest.raises(Conflict, match="'other' is Canceled"):
        queue.submit("third", parent="ws/other")
    assert queue.submit("free") == "Queued"


def test_a_job_with_a_plan_waits_beside_those_of_this_machine(queue: Queue):
    queue.submit("driver", plan={"runs": [1, 2.5, "x", None]})
    queue.submit("script")
    assert [job.run for job in queue.jobs.claim(LOCAL, agent="a", most=5)] == ["ws/script"]
    (driver,) = queue.jobs.claim(DRIVERS, agent="a", most=5)
    assert (driver.run, driver.spec.plan) == ("ws/driver", {"runs": [1, 2.5, "x", None]})


@pytest.mark.parametrize("name", [LOCAL, DRIVERS])
def test_the_names_of_this_machine_are_taken(queue: Queue, name: str):
    with pytest.raises(Invalid, match="choose another"):
        queue.jobs.attach("ws", Target(name, "slurm"))
