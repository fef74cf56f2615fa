"""The shapes of `get_metrics()`, row by row of the contract's table (4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runstone import Experiment, Run


def twice(run: Run) -> None:
    run.log_row("r", x=1, y=2.0)
    run.log_row("r", x=3, y=4.0)


def unlike(run: Run) -> None:
    run.log_row("r", x=1)
    run.log_row("r", y="a")


def mixed(run: Run) -> None:
    run.log("m", 1)
    run.log_row("m", x=2)
    run.log_list("m", [3, "four"])


def several(run: Run, *values: Any, **steps: Any) -> None:
    for number, value in enumerate(values):
        run.log("a", value, **({"step": number + 5} if steps else {}))


SHAPES: list[tuple[str, Callable[[Run], object], dict[str, Any]]] = [
    ("one value", lambda run: run.log("a", 1), {"a": 1}),
    ("two values", lambda run: several(run, 1, 2.5), {"a": [1, 2.5]}),
    ("with steps", lambda run: several(run, 10, 20, step=True), {"a": [10, 20]}),
    ("number and text", lambda run: several(run, 1, "x"), {"a": [1, "x"]}),
    ("text and number", lambda run: several(run, "x", 1, True, "y"), {"a": ["x", 1, True, "y"]}),
    ("None", lambda run: run.log("a", None), {}),
    ("a list", lambda run: run.log_list("l", [1, 2, 3]), {"l": [1, 2, 3]}),
    ("a list of one", lambda run: run.log_list("l", [7]), {"l": 7}),
    ("a row", lambda run: run.log_row("r", x=1, y=2.0), {"r": {"x": 1, "y": 2.0}}),
    ("two rows", twice, {"r": {"x": [1, 3], "y": [2.0, 4.0]}}),
    ("rows unlike", unlike, {"r": {"x": [1, None], "y": [None, "a"]}}),
    (
        "a table",
        lambda run: run.log_table("t", {"x": [1, 2], "y": [3, 4]}),
        {"t": {"x": [1, 2], "y": [3, 4]}},
    ),
    ("a table of one row", lambda run: run.log_table("t", {"x": "asd", "y": 1}), {"t": {"x": "asd", "y": 1}}),
    ("a table of one row in lists", lambda run: run.log_table("t", {"x": ["asd"]}), {"t": {"x": "asd"}}),
    ("rows among values", mixed, {"m": {"m": [1, None, 3, "four"], "x": [None, 2, None, None]}}),
    ("nothing", lambda run: None, {}),
]


@pytest.mark.parametrize(
    ("log", "found"), [(log, found) for _, log, found in SHAPES], ids=[s[0] for s in SHAPES]
)
def test_metrics_come_back_in_the_shapes_of_the_original(
    run: Run, log: Callable[[Run], object], found: dict[str, Any]
) -> None:
    log(run)
    assert run.get_metrics() == found
    assert types(run.get_metrics()) == types(found)
    run.complete()
    assert run.get_metrics() == found
    assert types(Run(run.experiment, run.id).get_metrics()) == types(found)


def test_only_the_metric_that_was_asked_for_comes_back(run: Run) -> None:
    run.log("a", 1)
    run.log("b", 2)
    assert run.get_metrics("a") == {"a": 1}
    assert run.get_metrics(name="nothing") == {}


def test_the_first_of_several_documents_is_told(run: Run) -> None:
    for _ in range(2):
        run.log_confusion_matrix("matrix", {"a": 1})
    run.log_residuals("matrix", {"b": 1})
    uri = f"aml://artifactId/ExperimentRun/dcid.{run.id}/matrix"
    assert run.get_metrics() == {"matrix": uri}


def test_metrics_of_a_whole_tree_are_keyed_by_run(experiment: Experiment, run: Run) -> None:
    run.log("a", 1)
    child = run.child_run()
    child.log("a", 2)
    grandchild = child.child_run()
    grandchild.log("b", 3)
    (silent,) = run.create_children(1)
    other = experiment.start_logging()
    other.log("a", 9)
    assert run.get_metrics(recursive=True) == {
        run.id: {"a": 1},
        child.id: {"a": 2},
        grandchild.id: {"b": 3},
        silent.id: {},
    }
    assert child.get_metrics(recursive=True) == {child.id: {"a": 2}, grandchild.id: {"b": 3}}
    assert run.get_metrics("a", recursive=True)[grandchild.id] == {}
    assert run.get_metrics(recursive=True, run_type="azureml.scriptrun") == {}


def test_the_parents_metrics_are_read_through_a_child(run: Run) -> None:
    child = run.child_run()
    assert child.parent is not None
    child.parent.log("mse", 0.25)
    assert float(child.parent.get_metrics().get("mse")) == 0.25


def test_reading_sees_what_another_handle_has_logged(experiment: Experiment, run: Run) -> None:
    run.log("a", 1)
    other = Run(experiment, run.id)
    other.log("a", 2)
    assert sorted(run.get_metrics()["a"]) == [1, 2]
    assert other.get_metrics() == run.get_metrics()


def types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: types(inner) for key, inner in value.items()}
    return [types(inner) for inner in value] if isinstance(value, list) else type(value)
