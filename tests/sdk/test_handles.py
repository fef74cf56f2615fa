"""Runs as objects: what they show, that they compare, travel to other processes, and are this script's."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import sqlite3
import subprocess
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runstone import Experiment, Run, Workspace
from runstone.exceptions import RunEnvironmentException, UserErrorException
from runstone.sdk.submitted import _OfflineRun

Script = Callable[..., subprocess.Popen[str]]
VERBOSE = """
from pathlib import Path
from runstone import Run
Path("x.png").write_bytes(b"\\x89PNG\\r\\n\\x1a\\n")
Path("d").mkdir()
Path("d/f.txt").write_text("f")
with Run.get_context(verbose=True) as run:
    run.log("a", 1)
    run.log_list("l", [1, 2, 3])
    run.log_row("row", x=1)
    run.log_table("t", {"x": [1, 2]})
    run.log_image("img", "x.png")
    run.log_confusion_matrix("cm", {"a": 1})
    run.log_residuals("res", {"a": 1})
    run.upload_file("n", "d/f.txt")
    run.upload_folder("n", "d")
    run.tag("k", "v")
    run.set_tags({"a": "b"})
    run.add_properties({"p": "q"})
    run.flush()
    assert run.get_metrics()["a"] == 1
    print(run.id)
"""
PRINTED = """
[START] Run <id> context
Attempted to log scalar metric a:
1
Attempted to log list metric l:
[1, 2, 3]
Attempted to log row metric row:
{'x': 1}
Attempted to log table metric t:
{'x': [1, 2]}
Attempted to log image metric img:
x.png
Attempted to log confusion_matrix metric cm:
{'a': 1}
Attempted to log residual metric res:
{'a': 1}
Attempted to track file n at d/f.txt
Attempted to track folder n at d
Attempted to add tag k with value v
Attempted to set tags {'a': 'b'}
Attempted to add properties {'p': 'q'}
Attempted to flush run with id <id>
<id>
[STOP] Run <id> context
"""


def work(run: Run, number: int) -> str:
    """What a worker process does with a run that it was handed."""
    run.log("from worker", number, step=number)
    with run.child_run() as child:
        child.log("x", number)
    run.flush()
    return run.id


def test_a_run_says_what_it_is(run: Run) -> None:
    assert repr(run) == f"Run(Experiment: explore-runs,\nId: {run.id},\nType: None,\nStatus: Running)"
    assert run.get_portal_url() == run.portal_url
    assert run.id in run.portal_url
    assert len(run.id) == 36
    assert run.number == 1


def test_a_run_shows_itself_in_a_notebook(run: Run) -> None:
    for step in range(5):
        run.log("<b>loss</b>", 1 / (step + 1), step=step)
    run.display_name = "<script>alert(1)</script>"
    shown = run._repr_html_()
    for words in ("Experiment", "explore-runs", "Id", run.id, "Type", "Status", "Running", "Details Page"):
        assert words in shown
    assert "<svg" in shown
    assert "<script>" not in shown
    assert "<b>" not in shown
    run.complete()
    assert "Completed" in run._repr_html_()


def test_a_context_speaks_from_when_it_is_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.get_context()
    run.log("a", 1)
    assert type(run) is type(Run.get_context(verbose=True)) is _OfflineRun
    run.log_list("b", iter([1, 2]))
    run.tag("{k}", "{v}")
    assert capsys.readouterr().out == (
        "Attempted to log list metric b:\n[1, 2]\nAttempted to add tag {k} with value {v}\n"
    )
    assert run.get_metrics() == {"a": 1, "b": [1, 2]}


def test_two_handles_on_a_run_are_equal(workspace: Workspace, experiment: Experiment, run: Run) -> None:
    others = [Run(experiment, run.id), Run.get(workspace, run.id), workspace.get_run(run.id)]
    assert all(other == run for other in others)
    assert len({run, *others}) == 1
    assert run != experiment.start_logging()
    assert run != run.id


def test_a_run_of_another_type_is_made_by_its_factory(experiment: Experiment, run: Run) -> None:
    class Special(Run):
        def __init__(self, experiment: Experiment, record: Any) -> None:
            super().__init__(experiment, record.id)

    Run.add_type_provider("special", Special)
    child = run.child_run(type="special")
    assert type(Run.get(experiment.workspace, child.id)) is Special
    assert [type(found) for found in run.get_children()] == [Special]
    assert [found.id for found in run.get_children(type="special")] == [child.id]
    assert child.type == "special"


def test_a_pickle_holds_names_and_no_more(run: Run) -> None:
    run.tag("secret", "canary-value")
    run.log("loss", 1)
    pickled = pickle.dumps(run)
    assert b"canary-value" not in pickled
    assert len(pickled) < 1_000
    again = pickle.loads(pickled)
    assert again == run
    assert again is not run
    again.log("loss", 2)
    assert run.get_metrics() == {"loss": [1, 2]}
    assert copy.deepcopy(run) == copy.copy(run) == run
    assert pickle.loads(pickle.dumps(run.experiment)) == run.experiment
    assert pickle.loads(pickle.dumps(run.experiment.workspace)) == run.experiment.workspace


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_worker_processes_log_to_a_run_that_they_are_handed(run: Run, method: str) -> None:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        ids = list(pool.map(work, [run] * 4, range(4)))
    assert ids == [run.id] * 4
    assert sorted(run.get_metrics()["from worker"]) == [0, 1, 2, 3]
    assert [child.get_status() for child in run.get_children()] == ["Completed"] * 4
    assert sorted(child.get_metrics()["x"] for child in run.get_children()) == [0, 1, 2, 3]
    assert run.get_status() == "Running"


def test_a_script_that_was_not_submitted_has_a_full_run_and_says_so_once(
    script: Script, workspace: Workspace
) -> None:
    process = script(
        """
        from runstone import Run
        from runstone.sdk.submitted import _OfflineRun
        run = Run.get_context()
        assert run is Run.get_context(allow_offline=True)
        assert type(run) == _OfflineRun
        run.log("a", 1, step=3)
        run.tag("t")
        print(run.id, run.experiment.name, run.parent, run.get_metrics())
        """
    )
    out, err = process.communicate(timeout=60)
    (run,) = workspace.search_runs()
    assert out == f"{run.id} {run.experiment.name} None {{'a': 1}}\n"
    assert run.id.startswith("OfflineRun_")
    assert err.count("was not submitted") == 1
    assert run.id in err
    assert (run.get_status(), run.get_tags(), process.returncode) == ("Completed", {"t": None}, 0)


def test_after_its_end_the_next_offline_run_is_another(script: Script, workspace: Workspace) -> None:
    process = script(
        """
        from runstone import Run
        for turn in range(2):
            with Run.get_context() as run:
                run.log("turn", turn)
        """
    )
    assert process.communicate(timeout=60)[0] == ""
    assert [run.get_metrics() for run in workspace.search_runs()] == [{"turn": 1}, {"turn": 0}]


def test_what_is_logged_offline_is_printed_when_asked_for(script: Script) -> None:
    process = script(VERBOSE)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == PRINTED.lstrip().replace("<id>", out.splitlines()[-2])


@pytest.mark.parametrize("variable", ["RUNSTONE_RUN_ID", "AZUREML_RUN_ID"])
def test_a_script_within_a_run_has_that_run(script: Script, run: Run, variable: str) -> None:
    process = script(
        """
        from runstone import Run
        run = Run.get_context(allow_offline=False)
        assert run is Run.get_context() is Run.get_submitted_run()
        run.log("inside", 1)
        run.child_run("part").complete()
        print(type(run).__name__, run.id)
        """,
        **{variable: run.id},
    )
    out, err = process.communicate(timeout=60)
    assert out.splitlines() == [
        "Run.get_submitted_run() is deprecated, use Run.get_context() instead",
        "Run.get_submitted_run() will be removed shortly.",
        f"_SubmittedRun {run.id}",
    ]
    assert (err, run.get_metrics(), run.get_status()) == ("", {"inside": 1}, "Running")
    assert len(list(run.get_children())) == 1


def test_a_script_within_a_run_that_is_not_there_is_told_so(script: Script) -> None:
    process = script("from runstone import Run\nRun.get_context()", RUNSTONE_RUN_ID="nothing")
    assert "There is no run 'nothing'" in process.communicate(timeout=60)[1]


def test_outside_of_a_run_a_submitted_one_is_not_to_be_had() -> None:
    for call in (lambda: Run.get_context(allow_offline=False), Run.get_submitted_run):
        with pytest.raises(RunEnvironmentException) as caught:
            call()
        assert caught.value.message == (
            "Could not load a submitted run, if outside of an execution context, use "
            "experiment.start_logging to initialize an azureml.core.Run."
        )


def test_the_environment_names_the_experiment_and_the_run(script: Script, workspace: Workspace) -> None:
    given = {"RUNSTONE_EXPERIMENT": "named", "RUNSTONE_RUN_NAME": "first try"}
    script("from runstone import Run\nRun.get_context()", **given).communicate(timeout=60)
    (run,) = workspace.search_runs()
    assert (run.experiment.name, run.display_name) == ("named", "first try")


def test_operations_that_find_the_history_busy_are_kept_and_carried_out_later(
    run: Run, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (child,) = run.create_children(1)
    monkeypatch.setattr("runstone.store.sqlite.WAIT", 0.1)
    monkeypatch.setattr("runstone.sdk.tracking.DELIVERY_SECONDS", 0.2)
    with closing(sqlite3.connect(history / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for call, arguments in (
            (run.tag, ("kept", "yes")),
            (run.add_properties, ({"p": "1"},)),
            (child.start, ()),
            (run.complete, ()),
        ):
            with pytest.warns(RuntimeWarning, match="is kept"):
                call(*arguments)
        run.log("loss", np.float32(0.5))
        other.execute("ROLLBACK")
    found = Run(run.experiment, run.id)
    assert (found.tags, found.properties) == ({"kept": "yes"}, {"p": "1"})
    assert (found.status, found.get_metrics()) == ("Completed", {"loss": 0.5})
    assert child.get_status() == "Running"


def test_a_strict_script_is_told_at_once(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNSTONE_STRICT", "1")
    run = Experiment(Workspace.from_config(), "strict").start_logging()
    with pytest.raises(Exception, match="larger than a float"):
        run.log("huge", 10**400)
    with pytest.raises(UserErrorException):
        run.log("list", [1])
