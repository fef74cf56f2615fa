"""Searching runs, on both databases: pages, orders, warnings, counts, texts, and the choice of a driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runstone.model.errors import Busy, FilterError, Invalid
from runstone.model.query import parse
from runstone.model.runs import NewRun, Status
from runstone.store import attributes, experiments, metric_names, runs, search, search_estimates
from runstone.store.database import Database, open_database
from tests.found import ADD_LATEST
from tests.histories import KINDS, address

START = 1_795_000_000_000_000


class Searched:
    """A history with one workspace, and short ways to fill and search it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.write() as tx:
            experiments.add_workspace(tx, "ws", labels={}, now=1)
            self.workspace = experiments.workspace(tx, "ws").id
            self.experiment = experiments.add(tx, self.workspace, "explore", now=1).id
        self.made = 0

    def add(self, id: str, metrics: dict[str, float] | None = None, **more: object) -> None:
        self.made += 1
        new = NewRun(id=id, **{"experiment": self.experiment, "status": Status.RUNNING, **more})  # type: ignore[arg-type]
        with self.database.write() as tx:
            n = runs.create(tx, [new], now=START + self.made * 1_000_000)[0]
            numbers = metric_names.find_or_add(tx, list(metrics or ()))
            for name, value in (metrics or {}).items():
                figures = dict.fromkeys(("last", "min", "max", "first", "sum"), value)
                row = {"run": n, "metric": numbers[name], "count": 1, "points": 1, "last_nan": 0}
                tx.execute(ADD_LATEST, {**row, **figures})

    def page(
        self, filter: str = "", order_by: str = "", limit: int = 100, cursor: str | None = None
    ) -> search.Page:
        return search.search(
            self.database, self.workspace, filter=filter, order_by=order_by, limit=limit, cursor=cursor
        )

    def found(self, filter: str = "", order_by: str = "") -> list[str]:
        with self.database.read() as tx:
            return [run.id for run in runs.load(tx, self.page(filter, order_by).runs)]


@pytest.fixture(params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Searched]:
    with address(request.param, tmp_path, request) as at, closing(open_database(at)) as database:
        yield Searched(database)


def test_an_empty_history_has_no_runs(history: Searched):
    assert history.page() == search.Page(())
    assert history.page("status = failed", "metrics.acc desc").runs == ()
    assert search.count(history.database, history.workspace) == 0


def test_runs_come_newest_first_and_page_by_page(history: Searched):
    for number in range(7):
        history.add(f"r{number}")
    first = history.page(limit=3)
    second = history.page(limit=3, cursor=first.cursor)
    third = history.page(limit=3, cursor=second.cursor)
    assert [*first.runs, *second.runs, *third.runs] == sorted(
        [*first.runs, *second.runs, *third.runs], reverse=True
    )
    assert [len(page.runs) for page in (first, second, third)] == [3, 3, 1]
    assert third.cursor is None
    assert history.page(limit=7).cursor is None


def test_a_page_goes_on_where_it_was_though_runs_are_added(history: Searched):
    for number in range(4):
        history.add(f"r{number}")
    first = history.page(limit=2)
    history.add("late")
    second = history.page(limit=2, cursor=first.cursor)
    with history.database.read() as tx:
        assert [run.id for run in runs.load(tx, second.runs)] == ["r1", "r0"]


def test_a_cursor_serves_its_own_search_alone(history: Searched):
    for number in range(4):
        history.add(f"r{number}", {"acc": number})
    cursor = history.page("metrics.acc >= 0", "metrics.acc", limit=2).cursor
    assert cursor is not None
    assert len(history.page("metrics.acc >= 0", "metrics.acc", limit=2, cursor=cursor).runs) == 2
    for text, order in (
        ("metrics.acc >= 1", "metrics.acc"),
        ("metrics.acc >= 0", "metrics.acc desc"),
        ("", ""),
    ):
        with pytest.raises(Invalid, match="another search"):
            history.page(text, order, cursor=cursor)
    for wrong in ("", "x", "!!!", cursor[:-4], cursor * 2, "W10", "[" * 20_000):
        with pytest.raises(Invalid, match="another search"):
            history.page("metrics.acc >= 0", "metrics.acc", cursor=wrong)


def test_runs_without_the_key_come_last_or_first_as_asked(history: Searched):
    history.add("none")
    history.add("low", {"acc": 0.1})
    history.add("high", {"acc": 0.9})
    assert history.found("", "metrics.acc") == ["low", "high", "none"]
    assert history.found("", "metrics.acc desc") == ["high", "low", "none"]
    assert history.found("", "metrics.acc desc nulls first") == ["none", "high", "low"]


def test_ties_are_in_the_order_of_creation(history: Searched):
    for id in "bca":
        history.add(id, {"acc": 0.5})
    assert history.found("", "metrics.acc") == ["b", "c", "a"]
    assert history.found("", "metrics.acc desc") == ["a", "c", "b"]


def test_params_are_ordered_as_numbers_before_texts(history: Searched):
    for value in ("10", "9", "abc", "1e-3"):
        history.add(f"r{value}", params={"lr": value})
    history.add("none")
    assert history.found("", "params.lr") == ["r1e-3", "r9", "r10", "rabc", "none"]
    assert history.found("", "params.lr desc") == ["r10", "r9", "r1e-3", "rabc", "none"]


def test_a_metric_really_called_like_a_reducer_beats_it(history: Searched):
    history.add("a", {"loss": 1.0})
    assert history.found("metrics.loss.min = 1") == ["a"]
    history.add("b", {"loss": 1.0, "loss.min": 7.0})
    assert history.found("metrics.loss.min = 1") == []
    assert history.found("metrics.loss.min = 7") == ["b"]
    assert history.found('metrics."loss".min = 1') == ["b", "a"]


def test_an_unknown_name_is_a_warning_with_the_nearest_known_one(history: Searched):
    history.add("a", {"accuracy": 1.0}, params={"lr": "1"}, tags={"team": None}, properties={"author": "kim"})
    page = history.page("metrics.acuracy > 0.9")
    assert page == search.Page(
        (), None, ("at 9: unknown metric 'acuracy' (did you mean 'accuracy'?): metrics.acuracy > 0.9",)
    )
    assert history.page("has tags.taem").warnings == (
        "at 10: unknown tag 'taem' (did you mean 'team'?): has tags.taem",
    )
    assert (
        history.page("properties.autor = 'kim'")
        .warnings[0]
        .startswith("at 12: unknown property 'autor' (did you")
    )
    assert history.page("params.zzz = 1").warnings == ("at 8: unknown param 'zzz': params.zzz = 1",)
    assert history.page("", "metrics.acuracy desc").warnings[0].endswith(": metrics.acuracy desc")
    assert history.page("missing params.zzz").warnings == ()
    assert history.page("datasets.name = 'mnist'").warnings == ()
    assert history.page("datasets.digest = 'f00'").warnings == (
        "at 10: no digests of data sets are kept: datasets.digest = 'f00'",
    )


def test_a_name_of_another_workspace_is_not_told(history: Searched):
    with history.database.write() as tx:
        experiments.add_workspace(tx, "other", labels={}, now=1)
        other = experiments.add(tx, experiments.workspace(tx, "other").id, "explore", now=1).id
    history.add("secret", {"accuracy": 1.0}, params={"learning_rate": "1"}, experiment=other)
    assert history.page("metrics.acuracy > 0").warnings == (
        "at 9: unknown metric 'acuracy': metrics.acuracy > 0",
    )
    assert "did you mean" not in history.page("params.learning_rat = 1").warnings[0]
    assert history.found() == []
    assert history.found("run_id = 'secret' or metrics.accuracy > 0 or secret") == []


def test_deleted_runs_are_shown_when_asked_for(history: Searched):
    history.add("kept")
    history.add("gone")
    with history.database.write() as tx:
        runs.delete(tx, runs.find(tx, "ws/gone")["n"], 1)
    assert history.found() == ["kept"]
    assert history.found("gone") == []
    assert history.found("deleted = true") == ["gone"]
    assert history.found("deleted in (true, false)") == ["gone", "kept"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("학습", ["korean"]),
        ("모델", ["korean"]),
        ("한국어", ["korean"]),
        ("글", ["tagged"]),
        ("'모델 학습'", ["korean"]),
        ("UDA ERR 70", ["english"]),
        ("error cuda", ["english"]),
        ("kim", ["english"]),
        ("explore", ["tagged", "korean", "english"]),
        ("fail", ["korean"]),
        ("quality fantastic", ["tagged"]),
        ("'fantastic run'", ["tagged"]),
        ("'fantastic  run'", []),
        ('"100%"', ["tagged"]),
        ("10_%", []),
        ("not cuda", ["tagged", "korean"]),
        ("cuda or 학습", ["korean", "english"]),
        ("AB", ["tagged"]),
    ],
)
def test_text_is_found_in_every_field_whatever_its_case(history: Searched, text: str, ids: list[str]):
    history.add("english", display_name="cuda error 700", submitter="Kim")
    history.add("korean", description="한국어 모델 학습", status=Status.FAILED)
    history.add("tagged", tags={"quality": "fantastic run", "share": "100%", "ab": "한글"})
    assert history.found(text) == ids


def test_text_follows_its_changes(history: Searched):
    history.add("a", display_name="first name", tags={"team": "vision"})
    with history.database.write() as tx:
        n = runs.find(tx, "ws/a")["n"]
        runs.edit(tx, n, {"display_name": "second name"})
    assert history.found("first") == []
    assert history.found("second") == ["a"]


def test_tags_of_mlflow_are_answered_by_what_they_mean_here(history: Searched):
    history.add("parent", submitter="kim")
    history.add("child", parent="ws/parent", tags={"mlflow.user": "lee"})
    assert history.found("tags.mlflow.parentRunId = 'parent'") == ["child"]
    assert history.found("tags.`mlflow.user` = 'kim'") == ["parent"]
    assert history.found("tags.mlflow.user = 'lee'") == ["child"]
    assert history.found("tags.mlflow.parentRunId is null") == ["parent"]


def test_a_whole_tree_is_found_by_its_root(history: Searched):
    history.add("top")
    history.add("middle", parent="ws/top")
    history.add("bottom", parent="ws/middle")
    history.add("other")
    assert history.found("root = 'top'") == ["bottom", "middle", "top"]
    assert history.found("parent = 'top'") == ["middle"]
    assert history.found("depth = 0") == ["other", "top"]
    assert history.found("children > 0") == ["middle", "top"]


def test_a_filter_of_the_program_stands_beside_that_of_the_person(history: Searched):
    history.add("a", tags={"team": "vision"})
    history.add("b", parent="ws/a", tags={"team": "vision"})
    roots = parse("depth = 0")
    page = search.search(history.database, history.workspace, filter="tags.team = vision", base=roots)
    assert len(page.runs) == 1
    assert search.count(history.database, history.workspace, filter="tags.team = vision", base=roots) == 1
    assert search.count(history.database, history.workspace, filter="tags.team = vision") == 2


def test_a_long_value_is_compared_whole(history: Searched):
    long = "x" * 400
    history.add("a", params={"text": long})
    history.add("b", params={"text": long[:-1] + "y"})
    history.add("c", params={"text": long[: attributes.INDEXED]})
    assert history.found(f"params.text = '{long}'") == ["a"]
    assert history.found(f"params.text != '{long}'") == ["c", "b"]
    assert history.found(f"params.text = '{long[: attributes.INDEXED]}'") == ["c"]
    assert history.found("params.text like '%y'") == ["b"]


@pytest.mark.parametrize("cap", [0, 3, 20_000])
def test_the_answer_does_not_depend_on_the_driver(
    history: Searched, cap: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(search_estimates, "CAP", cap)
    monkeypatch.setattr(search_estimates, "TEXT_CAP", cap)
    monkeypatch.setattr(search, "FEW", 0)
    for number in range(40):
        history.add(f"r{number:02}", {"acc": number % 8, "loss": -number}, params={"lr": f"{number % 4}"})
    best = [f"r{number:02}" for number in range(40) if number % 8 > 4 and number % 4 == 1]
    for text in ("metrics.acc > 4 and params.lr = '1'", "metrics.acc > 4 and params.lr = 1 and r"):
        assert history.found(text, "metrics.loss desc") == best
        assert history.found(text, "started") == best
        assert history.found(text, "metrics.acc, metrics.loss desc") == best
        assert history.found(text, "ended nulls first, run_id") == best


def test_counts_are_exact_to_ten_thousand(history: Searched, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "COUNTED", 5)
    for number in range(8):
        history.add(f"r{number}", {"acc": number})
    counted = [
        search.count(history.database, history.workspace, filter=f"metrics.acc < {n}")
        for n in (0, 3, 5, 6, 8)
    ]
    assert counted == [0, 3, 5, 6, 6]
    assert search.count(history.database, history.workspace) == 6


def test_a_spent_budget_says_what_to_narrow(history: Searched, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "BUDGET", 0.001)
    monkeypatch.setattr(search_estimates, "CAP", 1)
    for number in range(40):
        history.add(f"r{number}", {"acc": number})
    many = " or ".join(f"metrics.acc.mean < -{number}" for number in range(90))
    with pytest.raises(
        Busy, match=r"budget of .* s\. Narrow it.*'metrics.acc >= 0' alone lets many runs through"
    ):
        history.page(f"metrics.acc >= 0 and ({many})")


def test_a_wrong_filter_is_told_before_the_database_is_asked(history: Searched):
    with pytest.raises(FilterError, match="at 14: expected a value"):
        history.page("metrics.acc >")
    with pytest.raises(FilterError, match="at 1: unknown field"):
        history.page("", "foo")
