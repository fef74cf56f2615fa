"""A history on a server: the same scripts, by address; nothing is lost or doubled when the server dies."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.server.conftest import PROGRAM, Served

TRIP = """
import json
from pathlib import Path
from runstone import Experiment, Workspace

workspace = Workspace.from_config()
with Experiment(workspace, "trip").start_logging(run_id="r") as run:
    for step in range(1000):
        run.log("loss", 1 / (step + 1), step=step)
    run.log_row("rows", x=1, y="z")
    run.log("whole", 10**30)
    run.tag("quality", "good")
    run.add_properties({"author": "me"})
    run.log_params({"lr": 0.01})
    Path("model.bin").write_bytes(b"weights" * 300_000)
    run.upload_file("outputs/model.bin", "model.bin")
    with run.child_run("child") as child:
        child.log("accuracy", 0.5)
run.download_file("outputs/model.bin", "again.bin")
assert Path("again.bin").read_bytes() == Path("model.bin").read_bytes()
found = workspace.search_runs("metrics.loss < 0.01 and tags.quality = 'good'", order_by="metrics.loss")
metrics = run.get_metrics()
print(json.dumps({
    "status": run.get_status(),
    "loss": len(metrics["loss"]),
    "rows": metrics["rows"],
    "whole": metrics["whole"] == 10**30,
    "found": [one.id for one in found],
    "children": [one.get_metrics() for one in run.get_children()],
    "files": [name for name in run.get_file_names() if name.startswith("outputs/")],
    "location": workspace.location,
}))
"""
EXPECTED = {
    "status": "Completed",
    "loss": 1000,
    "rows": {"x": 1, "y": "z"},
    "whole": True,
    "found": ["r"],
    "children": [{"accuracy": 0.5}],
    "files": ["outputs/model.bin"],
}

FLOOD = """
import sys
from runstone import Experiment, Workspace

run = Experiment(Workspace.from_config(), "flood").start_logging(run_id="r", outputs=False)
print("begun", flush=True)
for line in sys.stdin:
    first = int(line)
    for step in range(first, first + 5000):
        run.log("loss", step / 7, step=step)
    print("logged", flush=True)
run.complete()
"""

READ = """
import json
from runstone import Workspace
run = Workspace.from_config().get_run("r")
series = run.get_metric_series("loss")
print(json.dumps({"steps": series.steps.tolist(), "status": run.get_status()}))
"""


def test_a_script_works_with_a_server_as_with_a_directory(served: Served):
    assert json.loads(served.run(TRIP)) == {**EXPECTED, "location": served.address}


def test_the_records_may_be_in_postgresql(tmp_path: Path, postgres: Postgres):
    with postgres.database(postgres.template("served", lambda url: None)) as url:
        served = Served(tmp_path, "--store", url)
        with closing(served):
            served.start()
            assert json.loads(served.run(TRIP)) == {**EXPECTED, "location": served.address}
            # whoever asks next asks the same history
            served.kill()
            served.start()
            assert json.loads(served.run(READ))["status"] == "Completed"
        assert not (served.history / "history.db").exists()


def test_the_command_line_works_with_a_server(served: Served):
    served.run(TRIP)
    environment = served.environment(RUNSTONE_HISTORY=served.address, RUNSTONE_TOKEN=served.token)
    words = [*PROGRAM, "run", "show", "-r", "r", "--query", "metrics.loss"]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert float(ended.stdout) == 0.001


def test_a_server_that_is_killed_again_and_again_costs_the_script_nothing_and_loses_nothing(
    served: Served, count
):
    rounds = count(3, 30)
    with served.begin(FLOOD, RUNSTONE_CAPTURE="none") as script:
        assert script.stdin is not None
        assert script.stdout is not None
        assert script.stdout.readline() == "begun\n"
        for number in range(rounds):
            script.stdin.write(f"{number * 5000}\n")
            script.stdin.flush()
            served.kill()
            # while there is no server at all
            assert script.stdout.readline() == "logged\n"
            served.start()
        script.stdin.close()
        assert script.wait(timeout=60) == 0
        assert script.stderr is not None
        assert script.stderr.read() == ""
    found = json.loads(served.run(READ))
    assert found == {"steps": list(range(5000 * rounds)), "status": "Completed"}


def test_what_a_script_leaves_when_the_server_is_away_is_delivered_by_the_next(served: Served):
    with served.begin(FLOOD, RUNSTONE_CAPTURE="none") as script:
        assert script.stdin is not None
        assert script.stdout is not None
        assert script.stdout.readline() == "begun\n"
        served.kill()
        script.stdin.write("0\n")
        script.stdin.flush()
        assert script.stdout.readline() == "logged\n"
        script.kill()
        script.wait(timeout=60)
    served.start()
    assert json.loads(served.run(READ))["steps"] == list(range(5000))


def test_nobody_is_let_in_without_the_token(served: Served):
    path = "/api/v1/workspaces"
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {served.token}"}):
        status, content = served.ask(path, **headers)
        assert (status, json.loads(content)["title"]) == (401, "AuthenticationException")
    assert served.ask(path, Authorization=f"Bearer {served.token}") == (200, b"[]")
    # not by a query either
    assert served.ask(f"{path}?token={served.token}")[0] == 401


def test_a_name_that_the_server_does_not_go_by_is_turned_away(served: Served):
    token = {"Authorization": f"Bearer {served.token}"}
    for host in ("evil.example.org", f"evil.example.org:{served.port}", "127.0.0.1.example.org", ""):
        assert served.ask("/api/v1/workspaces", **token, Host=host)[0] == 421
    assert served.ask("/api/v1/workspaces", **token, Host=f"localhost:{served.port}")[0] == 200


def test_the_token_is_told_once_and_kept_for_its_owner(served: Served):
    kept = served.history / "server.token"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    first = served.log.read_text(encoding="utf-8")
    assert first.count(served.token) == 1
    served.stop()
    served.start()
    assert served.log.read_text(encoding="utf-8").count(served.token) == 1


def test_a_script_with_a_wrong_token_is_told_what_to_do(served: Served):
    with served.begin(TRIP, RUNSTONE_TOKEN="wrong") as script:
        _, err = script.communicate(timeout=60)
    assert script.returncode == 1
    assert "set RUNSTONE_TOKEN to the one that it printed" in err
    assert served.token not in err


def test_what_nobody_serves_is_a_clear_refusal(served: Served):
    token = {"Authorization": f"Bearer {served.token}"}
    status, content = served.ask("/api/v1/nothing", **token)
    assert (status, json.loads(content)["title"]) == (404, "NotFound")
    status, content = served.ask("/api/v1/workspaces?nope=1", **token)
    assert (status, json.loads(content)["detail"]) == (422, "GET /workspaces takes no 'nope'; it takes .")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_asked_to_stop_stops(served: Served, how: signal.Signals):
    assert served.stop(how) in (0, -how, 130)
    assert "Traceback" not in served.log.read_text(encoding="utf-8")


def test_an_address_that_is_taken_is_one_clear_line(served: Served):
    words = [*PROGRAM, "server", "--port", str(served.port)]
    environment = served.environment(RUNSTONE_HISTORY=str(served.folder / "other"))
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    told = f"127.0.0.1:{served.port} cannot be served (Address already in use); choose another --port."
    assert ended.stderr == f"runstone: {told}\n"
