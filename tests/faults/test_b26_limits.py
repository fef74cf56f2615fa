"""b26: what is over a limit is refused with the field and the size named, at once, and nothing of the call is
kept, on either database; any number of tags within the limits is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from runstone.model.errors import Conflict, Invalid, UserErrorException
from runstone.model.runs import NewRun, Status
from runstone.service.experiments import Experiments
from runstone.service.workspaces import Workspaces
from runstone.store import search
from runstone.store.database import open_database
from tests.histories import KINDS, address
from tests.logged import Logged, Writer

HUGE = 100_000_000

# Call, what is named, limit, a size that is over it.
Call = Callable[[Logged, str, str], object]
LIMITS: dict[str, tuple[Call, str, int]] = {
    "tag key": (lambda at, run, x: at.runs.tag(run, {"fine": "1", x: "v"}), "tag key", 250),
    "tag": (lambda at, run, x: at.runs.tag(run, {"fine": "1", "lr": x}), "value of tag 'lr'", 5_000),
    "property key": (
        lambda at, run, x: at.runs.add_properties(run, {"fine": "1", x: "v"}),
        "property key",
        250,
    ),
    "property": (
        lambda at, run, x: at.runs.add_properties(run, {"fine": "1", "lr": x}),
        "value of property 'lr'",
        5_000,
    ),
    "param key": (lambda at, run, x: at.runs.add_params(run, {"fine": "1", x: "v"}), "param key", 250),
    "param": (
        lambda at, run, x: at.runs.add_params(run, {"fine": "1", "lr": x}),
        "value of param 'lr'",
        5_000,
    ),
    "display name": (
        lambda at, run, x: at.runs.edit(run, {"description": "fine", "display_name": x}),
        "display name",
        1_024,
    ),
    "description": (
        lambda at, run, x: at.runs.edit(run, {"display_name": "fine", "description": x}),
        "description",
        64 * 1024,
    ),
    "error": (
        lambda at, run, x: at.runs.move(
            run, Status.FAILED, error={"message": x, "code": "c", "reason": "code"}
        ),
        "error message",
        16 * 1024,
    ),
    "metric": (
        lambda at, run, x: at.take(run, Writer().log({"fine": 1.0}).log({x: 1.0})),
        "metric name",
        1_024,
    ),
    "text's metric": (
        lambda at, run, x: at.take(run, Writer().log({"fine": 1.0}).record("row", name=x, columns={})),
        "metric name",
        1_024,
    ),
}
CREATED: dict[str, tuple[Callable[[str], dict[str, Any]], str, int]] = {
    "run id": (lambda x: {"id": x}, "run id", 256),
    "display name": (lambda x: {"display_name": x}, "display name", 1_024),
    "tag key": (lambda x: {"tags": {"fine": "1", x: "v"}}, "tag key", 250),
    "tag": (lambda x: {"tags": {"fine": "1", "lr": x}}, "value of tag 'lr'", 5_000),
    "param": (lambda x: {"params": {"lr": x}}, "value of param 'lr'", 5_000),
    "property": (lambda x: {"properties": {"lr": x}}, "value of property 'lr'", 5_000),
}


@pytest.fixture(params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Logged]:
    with address(request.param, tmp_path, request) as at, closing(open_database(at)) as database:
        found = Logged(database)
        found.begin()
        yield found


def everything(history: Logged, run: str) -> dict[str, Any]:
    """All that a run is, but for the time at which it was looked at."""
    found = asdict(history.runs.get(run))
    texts = search.search(history.database, 1, filter="fine").runs
    return {**found, "rows": history.rows(run), "found": texts, "events": history.runs.events(run)}


def refused(call: Callable[[], object], what: str, limit: int, size: int) -> None:
    began = time.process_time()
    with pytest.raises(UserErrorException) as caught:
        call()
    message = caught.value.message
    assert time.process_time() - began < 5
    assert f"The {what} is over the size limit: Limit={limit:,} characters, Size={size:,}." in message
    assert len(message) < 500
    assert getattr(caught.value, "status", None) == 422


@pytest.mark.parametrize("case", LIMITS)
def test_a_field_over_its_limit_is_named_and_nothing_of_the_call_is_kept(history: Logged, case: str):
    call, what, limit = LIMITS[case]
    run = history.start()
    history.runs.tag(run, {"before": "kept"})
    before = everything(history, run)
    for size in (limit + 1, 10 * limit):
        refused(lambda size=size: call(history, run, "x" * size), what, limit, size)
        refused(lambda size=size: call(history, run, "한" * size), what, limit, size)
    assert everything(history, run) == before
    for letter in ("x", "한", "\U0001f600"):
        fitting = history.start()
        call(history, fitting, letter * limit)
        assert history.runs.get(fitting).display_name in (None, "fine", letter * limit)
    assert history.runs.get(run).tags["before"] == "kept"


def test_a_value_that_stands_already_is_named_in_short(history: Logged):
    run = history.start()
    for add, noun in ((history.runs.add_params, "param"), (history.runs.add_properties, "property")):
        add(run, {"lr": "x" * 5_000})
        with pytest.raises(
            Conflict, match=f"The {noun} 'lr' is 'xxx.* already and cannot become 'y"
        ) as caught:
            add(run, {"new": "1", "lr": "y" * 5_000})
        assert len(caught.value.message) < 800
    found = history.runs.get(run)
    assert found.params == found.properties == {"lr": "x" * 5_000}


@pytest.mark.parametrize("case", CREATED)
def test_runs_with_a_field_over_its_limit_are_not_created_not_even_their_siblings(history: Logged, case: str):
    fields, what, limit = CREATED[case]
    run = history.start()
    experiment = history.runs.get(run).experiment_id
    good = NewRun(id="good", experiment=experiment, tags={"fine": "1"})
    bad = NewRun(**{"id": "bad", "experiment": experiment, **fields("x" * (limit + 1))})
    refused(lambda: history.runs.create("ws", [good, bad]), what, limit, limit + 1)
    assert len(search.search(history.database, 1).runs) == 1
    (created,) = history.runs.create("ws", [good])
    assert created.number == history.runs.get(run).number + 1


def test_a_hundred_megabytes_are_refused_before_anything_is_done_with_them(history: Logged):
    run = history.start()
    huge = "x" * HUGE
    before = everything(history, run)
    for case in ("tag", "tag key", "param", "description"):
        call, what, limit = LIMITS[case]
        refused(lambda call=call: call(history, run, huge), what, limit, HUGE)
    assert everything(history, run) == before


def test_very_many_tags_are_kept_and_found_all_or_none(history: Logged, count: Callable[[int, int], int]):
    run, many = history.start(), count(10_000, 100_000)
    tags: dict[str, str | None] = {f"key {number}": f"value {number}" for number in range(many)}
    with pytest.raises(Invalid, match="tag key"):
        history.runs.tag(run, {**tags, "last" * 100: "x"})
    assert history.runs.get(run).tags == {}
    history.runs.tag(run, tags)
    assert history.runs.get(run).tags == tags
    for filter in (f"tags.`key {many - 1}` = 'value {many - 1}'", f"'value {many - 1}'", "has tags.`key 7`"):
        assert len(search.search(history.database, 1, filter=filter).runs) == 1
    history.runs.untag(run, list(tags)[1:])
    assert history.runs.get(run).tags == {"key 0": "value 0"}


def test_long_texts_of_all_kinds_are_found_by_what_stands_at_their_end(history: Logged):
    run = history.start()
    history.runs.edit(run, {"description": " ".join(f"word{n}" for n in range(7_000)) + " 마지막말"})
    history.runs.tag(run, {"note": "y" * 4_990 + " needle"})
    for text in ("word6999", "needle", "마지막", "지막말"):
        assert len(search.search(history.database, 1, filter=text).runs) == 1, text


def test_names_of_workspaces_and_experiments_are_refused_whole(history: Logged):
    for name in ("x" * 256, "x" * 10_000, "", "a b", "한"):
        with pytest.raises(Invalid, match="Experiment name must be between 1 and 255"):
            Experiments(history.database).create("ws", name)
    for name in ("x" * 33, "x" * 10_000, "", "x", "a b"):
        with pytest.raises(Invalid, match="Workspace name must be 2 to 32"):
            Workspaces(history.database).create(name)
    assert [one.name for one in Experiments(history.database).list("ws")] == ["metrics"]
