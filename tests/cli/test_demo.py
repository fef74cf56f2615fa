"""`runstone demo`, once from end to end, and once stopped in the middle."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import PROGRAM, Done, call, environment

ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A project of its own, and what the demo printed in it."""
    root = tmp_path_factory.mktemp("demo")
    (root / ".runstone" / "history").mkdir(parents=True)
    done = call(PROGRAM, "demo", cwd=root)
    assert done.code == 0, done.err
    return root, done


def listed(root: Path, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(PROGRAM, "run", "list", "--last", "50", *words, cwd=root).json
    return found


@pytest.fixture(scope="module")
def parent(shown: tuple[Path, Done]) -> dict[str, Any]:
    (found,) = listed(shown[0])
    return found


@pytest.fixture(scope="module")
def children(shown: tuple[Path, Done], parent: dict[str, Any]) -> list[dict[str, Any]]:
    return listed(shown[0], "--parent-run-id", parent["runId"], "--order-by", "metrics.accuracy desc")


def test_it_says_where_the_history_is_and_what_it_works_on(shown):
    root, done = shown
    assert f"The history is {root / '.runstone' / 'history'}" in done.err
    assert (
        len(
            re.findall(
                r"^  (linear|network), lr [\d.]+.*: (accuracy 0\.\d+|failed, as it should: .+)$",
                done.err,
                re.M,
            )
        )
        == 7
    )
    assert "\r" not in done.err


def test_a_parent_has_children_of_two_kinds_with_their_hyperparameters(parent, children):
    assert parent["experimentName"] == "digits"
    assert parent["status"] == "Completed"
    assert "**on purpose**" in parent["description"]
    assert len(children) >= 6
    assert {child["params"]["model"] for child in children} == {"linear", "network"}
    assert len({json.dumps(child["params"], sort_keys=True) for child in children}) == len(children)
    assert all({"model", "lr", "epochs"} <= child["params"].keys() for child in children)
    assert all(child["tags"]["model"] == child["params"]["model"] for child in children)
    assert all(
        child["properties"]["data.sha256"] == parent["properties"]["data.sha256"] for child in children
    )


def test_one_child_has_failed_on_purpose_with_a_real_exception(shown, children):
    (failed,) = (child for child in children if child["status"] == "Failed")
    assert "LearnsNothing" in failed["error"]["message"]
    assert "Traceback" in failed["error"]["traceback"]
    assert [child["status"] for child in children].count("Completed") == len(children) - 1
    assert "One has failed, and was meant to" in shown[1].out


def test_epochs_are_logged_with_steps_and_files_are_kept(shown, children):
    best = children[0]
    code = f"""
    import json
    from runstone import Workspace
    run = Workspace.from_config().get_run({best["runId"]!r})
    names = ("loss", "val_loss", "train_accuracy", "accuracy")
    steps = [run.get_metric_series(name).steps.tolist() for name in names]
    run.download_file("outputs/model.npz")
    matrix = run.get_metrics("confusion", populate=True)["confusion"]
    print(json.dumps([steps, matrix, run.get_file_names()]))
    """
    (shown[0] / "read.py").write_text(textwrap.dedent(code), encoding="utf-8")
    steps, matrix, files = call(sys.executable, "read.py", cwd=shown[0]).json
    assert steps == [list(range(15))] * 4
    assert np.array(matrix["data"]["matrix"]).shape == (10, 10)
    assert (
        np.trace(matrix["data"]["matrix"]) / np.sum(matrix["data"]["matrix"]) == best["metrics"]["accuracy"]
    )
    assert {"confusion", "outputs/model.npz"} < set(files)
    assert any(re.fullmatch(r"wrong_\d+\.png", name) for name in files)
    model = np.load(io.BytesIO((shown[0] / "model.npz").read_bytes()))
    assert model["w0"].shape[0] == 64


def test_the_table_is_sorted_by_accuracy_and_complete(shown, children):
    rows = [line.split() for line in shown[1].out.splitlines() if re.match(ID, line)]
    assert [row[0] for row in rows] == [child["runId"] for child in children]
    accuracies = [child["metrics"]["accuracy"] for child in children]
    assert accuracies == sorted(accuracies, reverse=True)
    assert [float(row[-3]) for row in rows] == pytest.approx(accuracies, abs=1e-3)


def test_every_command_that_it_prints_works(shown):
    root, done = shown
    commands = [
        shlex.split(line) for line in done.out.splitlines() if line.startswith("  ") and "runstone " in line
    ]
    commands = [words for words in commands if words[0] != "from"]
    assert len(commands) >= 5
    for words in commands:
        answered = call(PROGRAM, *words[1:], cwd=root)
        assert (answered.code, answered.err) == (0, ""), words
        assert answered.out


def test_the_snippet_that_it_prints_works(shown):
    root, done = shown
    snippet = textwrap.dedent(done.out[done.out.index("  from runstone import Workspace") :])
    (root / "snippet.py").write_text(snippet, encoding="utf-8")
    answered = call(sys.executable, "snippet.py", cwd=root)
    assert (answered.code, answered.err) == (0, "")


def test_ctrl_c_in_the_middle_leaves_everything_canceled(runstone):
    with subprocess.Popen(
        [PROGRAM, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stderr
        while "accuracy" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        process.wait(60)
    assert process.returncode == 130
    assert "Traceback" not in rest
    found = runstone("run", "list", "--filter", "status != completed").json
    assert found
    assert [run for run in found if run["status"] != "Canceled"] == []
