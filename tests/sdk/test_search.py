"""Finding runs: one filter language, pages, and results as data frames (issue 2, point 5)."""

from __future__ import annotations

import pyarrow
import pytest

from runstone import Experiment, Run, Workspace
from runstone.exceptions import ServiceException, UserErrorException


@pytest.fixture
def runs(workspace: Workspace) -> dict[str, Run]:
    """Three runs in two experiments, one with a child."""
    found = {}
    for name, accuracy, lr in (("a", 0.95, 0.01), ("b", 0.8, 0.1), ("c", None, 0.01)):
        experiment = Experiment(workspace, "explore-runs" if name != "c" else "other")
        run = experiment.start_logging(display_name=name, params={"lr": lr}, tags={"name": name})
        if accuracy is not None:
            run.log("loss", 1.0, step=0)
            run.log("loss", 1 - accuracy, step=1)
            run.log("acc", accuracy)
        found[name] = run
    found["d"] = found["a"].child_run(display_name="d", tags={"worth another look": None})
    found["a"].tag("quality", "fantastic run")
    found["a"].add_properties({"author": "azureml-user"})
    found["b"].description = "손글씨 숫자 인식 기준 모델 baseline"
    found["b"].complete()
    found["c"].fail("cuda error 700")
    return found


FILTERS = [
    ("", "dcba"),
    ("metrics.acc > 0.9 and params.lr = '0.01'", "a"),
    ("metrics.acc > 0.7", "ba"),
    ("not (metrics.acc > 0.9)", "dcb"),
    ("metrics.acc != 0.95", "b"),
    ("metrics.loss.max = 1 and metrics.loss.min < 0.1", "a"),
    ("metrics.loss.count = 2", "ba"),
    ("params.lr < 0.05", "ca"),
    ("params.lr in ('0.1', '0.2')", "b"),
    ("tags.quality = 'fantastic run' and properties.author = 'azureml-user'", "a"),
    ('has tags."worth another look"', "d"),
    ("missing params.lr", "d"),
    ("status = completed", "b"),
    ("status in (failed, Running)", "dca"),
    ("status = FINISHED", "b"),
    ("experiment = 'other'", "c"),
    ("experiment = 'explore-runs' and description contains 'baseline'", "b"),
    ("depth = 0", "cba"),
    ("depth = 1", "d"),
    ("children > 0", "a"),
    ("started > now - 7d and ended <= now and duration < 1h", "cb"),
    ("display_name like '%a%'", "a"),
    ("display_name ilike 'A'", "a"),
    ("display_name startswith 'b'", "b"),
    ("손글씨", "b"),
    ("인식", "b"),
    ("숫자 baseline", "b"),
    ("description contains '기준 모델'", "b"),
    ("fantastic", "a"),
    ("explore-runs", "dba"),
    ("failed", "c"),
]


def names(found: object) -> str:
    return "".join(run.display_name for run in found)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("filter", "found"), FILTERS)
def test_a_filter_finds(workspace: Workspace, runs: dict[str, Run], filter: str, found: str) -> None:
    assert names(workspace.search_runs(filter)) == found
    assert workspace.count_runs(filter) == len(found)


def test_a_whole_tree_is_found_by_its_root(workspace: Workspace, runs: dict[str, Run]) -> None:
    assert names(workspace.search_runs(f"root = '{runs['a'].id}'")) == "da"
    assert names(workspace.search_runs(f"parent = '{runs['a'].id}'")) == "d"
    assert names(workspace.search_runs(f"run_id = '{runs['a'].id}'")) == "a"


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("metrics.acc desc", "abdc"),
        ("metrics.acc asc nulls first", "dcba"[:2] + "ba"),
        ("metrics.loss", "abdc"),
        ("display_name", "abcd"),
        ("params.lr, display_name desc", "cabd"),
        ("created", "abcd"),
    ],
)
def test_an_order_puts_what_is_missing_last(
    workspace: Workspace, runs: dict[str, Run], order: str, found: str
) -> None:
    ordered = names(workspace.search_runs(order_by=order))
    present = [name for name in found if name in ("ab" if "metrics" in order else "abcd")]
    assert [name for name in ordered if name in present] == present
    if "metrics" in order:
        assert set(ordered[:2] if "first" in order else ordered[2:]) == {"c", "d"}


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ("metrics.acc >", "at 13: expected a value after '>'"),
        ("metrics.acc > 0.9 and", "at 21"),
        ("(a", "at 2"),
        ("status = 'nonsense'", "nonsense"),
        ("x" * 5_000, "4,096 bytes"),
    ],
)
def test_a_filter_that_cannot_be_read_is_told_where(
    workspace: Workspace, experiment: Experiment, filter: str, message: str
) -> None:
    for call in (workspace.search_runs, lambda filter: list(experiment.get_runs(filter=filter))):
        with pytest.raises(UserErrorException) as caught:
            call(filter)
        assert message in caught.value.message or call is not workspace.search_runs
        assert isinstance(caught.value, ServiceException)
        assert caught.value.status_code == 422


def test_a_metric_that_nobody_has_is_a_warning(workspace: Workspace, runs: dict[str, Run]) -> None:
    found = workspace.search_runs("metrics.lss < 1")
    assert list(found) == []
    assert "did you mean 'loss'" in found.warnings[0]


def test_pages_are_whole_while_runs_are_being_added(workspace: Workspace, experiment: Experiment) -> None:
    expected = [experiment.start_logging() for _ in range(9)]
    seen: list[Run] = []
    cursor = None
    for page in range(3):
        found = workspace.search_runs(limit=3, cursor=cursor)
        assert len(found) == 3
        assert (found.cursor is None) <= (page == 2)
        seen += found
        cursor = found.cursor
        for _ in range(2):
            experiment.start_logging()
    assert seen == expected[::-1]
    if cursor is not None:
        assert workspace.search_runs(limit=3, cursor=cursor) == []
    with pytest.raises(UserErrorException):
        workspace.search_runs(cursor="nonsense")
    for limit in (0, 1_001, -1, "5", None, 2.0):
        with pytest.raises(UserErrorException, match="1 to 1,000"):
            workspace.search_runs(limit=limit)  # type: ignore[arg-type]


def test_results_become_data_frames(workspace: Workspace, runs: dict[str, Run]) -> None:
    found = workspace.search_runs("depth = 0", "display_name")
    pandas = found.to_pandas()
    polars = found.to_polars()
    arrow = found.to_arrow()
    assert isinstance(arrow, pyarrow.Table)
    for column, values in {
        "run_id": [runs[name].id for name in "abc"],
        "display_name": ["a", "b", "c"],
        "status": ["Running", "Completed", "Failed"],
        "experiment": ["explore-runs", "explore-runs", "other"],
        "params.lr": ["0.01", "0.1", "0.01"],
        "tags.quality": ["fantastic run", None, None],
        "metrics.acc": [0.95, 0.8, None],
    }.items():
        assert polars[column].to_list() == values
        assert arrow[column].to_pylist() == values
        assert [None if value != value else value for value in pandas[column]] == values
    assert pandas["metrics.loss"].tolist()[:2] == [1 - 0.95, 1 - 0.8]
    assert len(pandas) == len(polars) == arrow.num_rows == 3
    assert found.to_columns().keys() == set(pandas.columns)


def test_no_result_is_an_empty_frame(workspace: Workspace) -> None:
    found = workspace.search_runs("status = failed")
    assert (len(found), found.cursor) == (0, None)
    pandas, polars, arrow = found.to_pandas(), found.to_polars(), found.to_arrow()
    assert len(pandas) == len(polars) == arrow.num_rows == 0
    # what is done with the rows works without any
    for columns in (pandas.columns, polars.columns, arrow.column_names):
        assert {"run_id", "status", "created", "duration"} <= set(columns)


def test_results_show_themselves_in_a_notebook(workspace: Workspace, runs: dict[str, Run]) -> None:
    runs["a"].display_name = "<b>first</b>"
    shown = workspace.search_runs("depth = 0")._repr_html_()
    assert shown.count("<tr>") == 4
    assert all(runs[name].id in shown for name in "abc")
    assert "<b>" not in shown
    assert workspace.search_runs("status = queued")._repr_html_().count("<tr>") == 1


def test_a_text_metric_and_one_that_is_no_number_do_not_break_a_frame(
    workspace: Workspace, experiment: Experiment
) -> None:
    first, second = experiment.start_logging(), experiment.start_logging()
    first.log("state", "warm")
    first.log_row("row", x=1)
    second.log("state", 3)
    second.log("nan", float("nan"))
    frame = workspace.search_runs().to_polars()
    assert frame["run_id"].to_list() == [second.id, first.id]
    assert frame["metrics.state"].to_list() == [3.0, None]


def test_a_frame_of_many_runs_is_made_in_one_go(workspace: Workspace, experiment: Experiment) -> None:
    parent = experiment.start_logging()
    for number, child in enumerate(parent.create_children(60)):
        child.log("acc", number)
    found = workspace.search_runs("depth = 1", "run_number", limit=1_000)
    assert found.to_columns()["metrics.acc"] == list(range(60))
