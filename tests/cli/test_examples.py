"""The scripts under `examples/` do what they say."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_script_for_azure_ml_runs_as_it_stands(runstone):
    done = runstone("exec", str(EXAMPLES / "azure_ml_script.py"), "--lr", "0.2")
    assert (done.code, done.out.startswith("x = 2.9999, loss = ")) == (0, True), done.err
    (run,) = runstone("run", "list").json
    assert (run["status"], run["metrics"]["lr"], run["tags"]) == (
        "Completed",
        0.2,
        {"kind": "gradient descent"},
    )
    assert run["metrics"]["loss"] < 1e-6


def test_the_sweep_finds_the_best_and_goes_on_after_a_failure(runstone, python):
    done = python(str(EXAMPLES / "sweep.py"))
    assert done.code == 0, done.err
    assert "lr 1.1: the loss is " in done.out
    (parent,) = runstone("run", "list", "-e", "sweep").json
    children = runstone("run", "list", "--parent-run-id", parent["runId"]).json
    assert sorted(child["status"] for child in children) == ["Completed"] * 4 + ["Failed"]
    (best,) = runstone("run", "list", "--filter", "tags.quality = best").json
    assert best["params"] == {"lr": "0.5"}
    compared = python(str(EXAMPLES / "compare.py"))
    assert compared.code == 0, compared.err
    assert "lr 0.5: 30 losses from 0 to 0" in compared.out
    assert "lr 1.1 failed: User program failed with Diverged" in compared.out


def test_every_example_is_run_by_a_test():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in text] == []
