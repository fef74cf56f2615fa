"""Sweeps, from the submit to the best run: grids, chance, policies, failures, the names of the original."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from runstone import Environment, Experiment, Run, ScriptRunConfig, SweepConfig, SweepRun
from runstone.exceptions import ExperimentExecutionException, UserErrorException
from runstone.model.errors import HyperDriveException
from runstone.sdk.sweeps import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    RandomParameterSampling,
    choice,
    quniform,
    uniform,
)
from tests.launch.conftest import LOG, Bench
from tests.launch.sweeping import HILL, config, of, statuses, submit


def test_a_grid_is_swept_up_to_the_total_with_so_many_at_a_time(bench: Bench):
    space = {"x": choice(1, 3), "--width": choice(16, 32, 64)}
    plan = config(bench, HILL, space, max_total_runs=4, max_concurrent_runs=1)
    sweep = bench.experiment.submit(plan, tags={"try": "first"})
    assert (sweep.status, sweep.type, sweep.get_tags()) == ("Queued", "hyperdrive", {"try": "first"})
    assert sweep.id.startswith("HD_")

    details = sweep.wait_for_completion(show_output=False)
    assert details["status"] == "Completed"
    runs = of(sweep)
    assert [run.id for run in runs] == [f"{sweep.id}_{number}" for number in range(4)]
    assert [run.get_params() for run in runs] == [
        {"x": "1", "width": "16"},
        {"x": "1", "width": "32"},
        {"x": "1", "width": "64"},
        {"x": "3", "width": "16"},
    ]
    assert {run.get_status() for run in runs} == {"Completed"}
    assert {run.type for run in runs} == {"azureml.scriptrun"}
    times = [(run._record.created, run._record.ended or 0) for run in runs]
    assert all(ended <= created for (_, ended), (created, _) in itertools.pairwise(times))
    assert runs[3].get_tags() == {"hyperparameters": '{"x": 3, "--width": 16}'}
    assert runs[3].display_name == "x=3 width=16"
    assert runs[3].get_details()["runDefinition"]["arguments"] == ["--x", "3", "--width", "16"]
    assert {run.get_snapshot_id() for run in runs} == {sweep.get_snapshot_id()}


def test_a_sweep_answers_as_the_original_answers(bench: Bench):
    sweep = submit(bench, HILL, {"x": choice(1, 3, 2)})
    sweep.wait_for_completion()
    best = sweep.get_best_run_by_primary_metric()
    assert best is not None
    assert best.id == f"{sweep.id}_1"
    listed = sweep.get_children_sorted_by_primary_metric()
    assert [one["best_primary_metric"] for one in listed] == [2.0, 1.0, -2.0]
    assert listed[0] == {
        "run_id": best.id,
        "hyperparameters": '{"x": 3}',
        "best_primary_metric": 2.0,
        "status": "Completed",
    }
    worst = sweep.get_children_sorted_by_primary_metric(top=1, reverse=True)
    assert [one["run_id"] for one in worst] == [f"{sweep.id}_0"]
    assert sweep.get_metrics()[best.id] == {"score": [0.0, 1.0, 2.0]}
    assert len(sweep.get_metrics()) == 3
    assert sweep.get_hyperparameters()[best.id] == '{"x": 3}'
    told = sweep.get_properties()
    assert (told["best_child_run_id"], told["score"], told["space_size"]) == (best.id, "2.0", "3")
    assert json.loads(told["primary_metric_config"]) == {"name": "score", "goal": "maximize"}
    again = SweepRun(bench.experiment, sweep.id)
    assert again.get_best_run_by_primary_metric() == best
    assert isinstance(Run.get(bench.workspace, sweep.id), SweepRun)
    assert sweep.get_metric_series("best_score").values.tolist()[-1] == 2.0
    with pytest.raises(HyperDriveException, match="is no sweep"):
        SweepRun(bench.experiment, best.id)


def test_the_driver_takes_no_place_of_those_it_drives(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUNSTONE_LOCAL_RUNS", "1")
    sweeps = [submit(bench, HILL, {"x": choice(1)}) for _ in range(2)]
    assert {sweep.wait_for_completion()["status"] for sweep in sweeps} == {"Completed"}
    assert {sweep.get_details()["target"] for sweep in sweeps} == {"local"}


def test_a_sweep_goes_on_after_runs_that_fail(bench: Bench):
    text = HILL + "if args.x == 3:\n    raise ValueError('of course')\n"
    sweep = submit(bench, text, {"x": choice(1, 3, 2)})
    assert sweep.wait_for_completion()["status"] == "Completed"
    assert statuses(sweep) == ["Completed", "Failed", "Completed"]
    best, sound = (sweep.get_best_run_by_primary_metric(include_failed=given) for given in (True, False))
    assert best is not None
    assert sound is not None
    assert (best.id, sound.id) == (f"{sweep.id}_1", f"{sweep.id}_2")


def test_the_bandit_ends_a_run_that_falls_behind_and_the_sweep_completes(bench: Bench):
    text = (
        "import sys, time\nfrom azureml.core import Run\nrun = Run.get_context()\n"
        "quality = float(sys.argv[2])\n"
        "for _ in range(10 if quality > 0.5 else 6000):\n    run.log('score', quality)\n    time.sleep(0.1)\n"
    )
    policy = BanditPolicy(slack_factor=0.1, evaluation_interval=2, delay_evaluation=3)
    sweep = submit(bench, text, {"quality": choice(0.9, 0.1)}, policy=policy)
    assert sweep.wait_for_completion()["status"] == "Completed"
    assert statuses(sweep) == ["Completed", "Canceled"]
    why = of(sweep)[1].get_tags()["early_termination"] or ""
    assert why.startswith("BanditPolicy at interval ")
    assert why.endswith("its best of 0.1 is worse than the limit of 0.818182")
    # no interval of the first three is a multiple of two from three on
    assert int(why.split()[3].rstrip(":")) >= 4
    best = sweep.get_best_run_by_primary_metric(include_canceled=False)
    assert best == of(sweep)[0]


def test_bayesian_sampling_learns_from_its_runs_and_from_those_before(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    space = {"x": uniform(-5, 8), "width": quniform(8, 64, 8)}
    with caplog.at_level(logging.WARNING, "runstone"):
        first = submit(bench, HILL, BayesianParameterSampling(space, seed=1), max_total_runs=4)
    assert "pays with 40 runs or more" in caplog.text
    first.wait_for_completion()
    sampling = BayesianParameterSampling(space, seed=2)
    second = submit(bench, HILL, sampling, max_total_runs=2, resume_from=[first])
    assert second.wait_for_completion()["status"] == "Completed"
    own = second.get_best_run_by_primary_metric(include_resume_from_runs=False)
    best = second.get_best_run_by_primary_metric()
    assert own is not None
    assert best is not None
    scores = {run.id: max(metrics["score"]) for run, metrics in everything(first, second)}
    assert scores[best.id] == max(scores.values())
    assert own.parent == second
    assert all(float(run.get_params()["width"]) % 8 == 0 for run in (*of(first), *of(second)))


def everything(*sweeps: SweepRun) -> list[tuple[Run, dict[str, Any]]]:
    return [(run, run.get_metrics()) for sweep in sweeps for run in of(sweep)]


def test_a_sweep_runs_there(bench: Bench, place: str):
    bench.script(HILL)
    script = ScriptRunConfig(str(bench.source), "script.py", compute_target=place)
    sampling = RandomParameterSampling({"x": uniform(0, 6)}, seed=1)
    sweep = bench.experiment.submit(SweepConfig(sampling, "score", "minimize", 3, 2, run_config=script))
    assert isinstance(sweep, SweepRun)
    assert sweep.wait_for_completion()["status"] == "Completed"
    assert {run._record.target for run in of(sweep)} == {place}
    listed = sweep.get_children_sorted_by_primary_metric()
    assert [one["best_primary_metric"] for one in listed] == sorted(
        min(metrics["score"]) for metrics in sweep.get_metrics().values()
    )


def test_a_script_submits_a_sweep_with_the_names_of_the_original(bench: Bench):
    text = (
        "from azureml.core import Run, ScriptRunConfig\n"
        "from azureml.train.hyperdrive import HyperDriveConfig, HyperDriveRun, PrimaryMetricGoal\n"
        "from azureml.train.hyperdrive.parameter_expressions import choice\n"
        "from azureml.train.hyperdrive.policy import MedianStoppingPolicy\n"
        "from azureml.train.hyperdrive.sampling import GridParameterSampling\n"
        f"open('hill.py', 'w').write({HILL!r})\n"
        "run = Run.get_context()\n"
        "sweep = run.submit_child(HyperDriveConfig(GridParameterSampling({'--x': choice([1, 3])}), 'score',\n"
        "    PrimaryMetricGoal.MAXIMIZE, 2, run_config=ScriptRunConfig('.', 'hill.py'),\n"
        "    policy=MedianStoppingPolicy(delay_evaluation=5)))\n"
        "assert isinstance(sweep, HyperDriveRun)\n"
        "sweep.wait_for_completion(show_output=True)\n"
        "run.log('found', float(sweep.get_best_run_by_primary_metric().get_params()['x']))\n"
    )
    run = bench.submit(text)
    assert run.wait_for_completion()["status"] == "Completed"
    assert run.get_metrics()["found"] == 3
    assert "2 of 2 runs have completed." in bench.printed(run)
    (sweep,) = run.get_children()
    assert sweep.parent == run
    assert {child.root for child in sweep.get_children()} == {run}


def test_sweeps_that_cannot_be_are_refused_at_the_submit_and_leave_nothing(bench: Bench):
    bench.script(HILL)
    space = GridParameterSampling({"x": choice(1)})
    taken = bench.experiment.start_logging(run_id="taken")
    for script, more, error, said in [
        (ScriptRunConfig(str(bench.source), "nope.py"), {}, ExperimentExecutionException, "doesn't exist"),
        (
            ScriptRunConfig(str(bench.source), "script.py", compute_target="moon"),
            {},
            UserErrorException,
            "no compute target 'moon'",
        ),
        (
            ScriptRunConfig(str(bench.source), "script.py"),
            {"custom_run_id": "taken"},
            HyperDriveException,
            "There is a run 'taken' already",
        ),
    ]:
        plan = SweepConfig(space, "score", "maximize", 1, run_config=script, **more)
        with pytest.raises(error, match=said):
            bench.experiment.submit(plan)
    assert list(bench.experiment.get_runs()) == [taken]
    assert not list(Path(bench.history).glob("work/*/environment.json"))


def test_a_sweep_is_found_by_its_type_and_told_in_its_log(bench: Bench):
    sweep = submit(bench, HILL, {"x": choice(3)})
    sweep.wait_for_completion()
    experiment = Experiment(bench.workspace, "launch")
    assert list(experiment.get_runs(type="hyperdrive")) == [sweep]
    assert list(experiment.get_runs()) == [sweep]
    printed = sweep.get_details_with_logs()["logFiles"][LOG]
    assert f"{sweep.id}_0: started with x=3\n" in printed
    assert f"The best is {sweep.id}_0: score 2, x=3\n" in printed


def test_the_secrets_of_a_sweep_reach_its_runs_and_no_database(bench: Bench):
    secret = "s3cr3t-" + "7f" * 12
    text = "import os, sys\nassert sys.argv[2][::-1] == os.environ['TOKEN']\n"
    text += "from azureml.core import Run\nRun.get_context().log('score', 1)"
    plan = config(bench, text, {"x": choice(1, 2)})
    plan.run_config.arguments = ["--password", secret[::-1]]
    plan.run_config.environment = environment = Environment("with-secrets")
    environment.python.user_managed_dependencies = True
    environment.environment_variables = {"TOKEN": secret}
    sweep = bench.experiment.submit(plan)
    assert sweep.wait_for_completion()["status"] == "Completed"
    assert statuses(sweep) == ["Completed", "Completed"]
    for path in (path for path in bench.history.rglob("*") if path.is_file()):
        assert [path for text in (secret, secret[::-1]) if text.encode() in path.read_bytes()] == []
