"""b27: whatever people write in names, tags, descriptions, metrics and texts is kept the same on both
databases, refused the same, and found again by those who search for it."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runstone import Experiment
from runstone.model.errors import Invalid
from runstone.model.runs import NewRun, Run, Status
from runstone.store import sealing, search
from runstone.store.database import open_database
from tests.histories import KINDS, address
from tests.logged import Logged, Writer
from tests.scripts import Stage

# As it is given, and as it is kept.
KEPT = {
    "plain": ("loss", "loss"),
    "emoji": ("\U0001f600", "\U0001f600"),
    "a family": ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
    "a flag": ("\U0001f1f0\U0001f1f7", "\U0001f1f0\U0001f1f7"),
    "beyond the first plane": ("\U00020000\U0010fffd", "\U00020000\U0010fffd"),
    "a letter and its accent": ("e\u0301clair", "\u00e9clair"),
    "an accent in the wrong order": ("q\u0307\u0323", "q\u0323\u0307"),
    "accents without an end": ("Z" + "\u0351" * 60, "Z" + "\u0351" * 60),
    "Hangul by its parts": ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
    "a compatible ideograph": ("\uf900", "\u8c48"),
    "the sign of Angstrom": ("\u212b", "\u00c5"),
    "Korean": ("검증 손실", "검증 손실"),
    "Japanese": ("検証ロス", "検証ロス"),
    "Arabic": ("خسارة التحقق", "خسارة التحقق"),
    "right to left override": ("abc\u202egpj.exe", "abc\u202egpj.exe"),
    "isolates": ("\u2067abc\u2069", "\u2067abc\u2069"),
    "zero width": ("lo\u200bss\u2060\ufeff", "lo\u200bss\u2060\ufeff"),
    "a byte order mark": ("\ufeffloss", "\ufeffloss"),
    "confusable": ("l\u043ess", "l\u043ess"),
    "full width": ("\uff4c\uff4f\uff53\uff53", "\uff4c\uff4f\uff53\uff53"),
    "case that grows": ("Straße İ ŉ", "Straße İ ŉ"),
    "no character": ("\ufffe\uffff", "\ufffe\uffff"),
    "private": ("\ue000", "\ue000"),
    "C1": ("a\x85b\x9f", "a\x85b\x9f"),
    "separators": ("a\u2028b\u2029c\u00a0d", "a\u2028b\u2029c\u00a0d"),
    "a lone surrogate": ("a\ud800b", "a?b"),
    "a pair of surrogates": ("a\ud83d\ude00b", "a??b"),
    "surrogates in the wrong order": ("\ude00\ud83d", "??"),
    "markup": ("<script>alert(1)</script>&amp;", "<script>alert(1)</script>&amp;"),
    "quotes": ("'\"`\\ % _ * ? {0} $1 :x", "'\"`\\ % _ * ? {0} $1 :x"),
    "a formula": ("=1+1", "=1+1"),
    "white space around": ("  loss  ", "  loss  "),
}
# Refused in names; a text may hold the ends of lines and tabs.
CONTROLS = [chr(code) for code in (*range(0x20), 0x7F)]
IN_TEXTS = {"\t", "\n", "\r"}
FIELDS = ("display_name", "description", "tag", "tag key", "param", "param key", "property", "metric", "text")


@pytest.fixture(params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Logged]:
    with address(request.param, tmp_path, request) as at, closing(open_database(at)) as database:
        found = Logged(database)
        found.begin()
        yield found


def write(history: Logged, run: str, field: str, text: str) -> None:
    """One text, in one place."""
    calls: dict[str, Callable[[], object]] = {
        "display_name": lambda: history.runs.edit(run, {"display_name": text}),
        "description": lambda: history.runs.edit(run, {"description": text}),
        "tag": lambda: history.runs.tag(run, {"tag": text}),
        "tag key": lambda: history.runs.tag(run, {text: "key"}),
        "param": lambda: history.runs.add_params(run, {"param": text}),
        "param key": lambda: history.runs.add_params(run, {text: "key"}),
        "property": lambda: history.runs.add_properties(run, {"property": text}),
        "metric": lambda: history.take(run, Writer("m").log({text: 1.5})),
        "text": lambda: history.take(run, Writer("t").record("value", name="t", type="text", value=text)),
    }
    calls[field]()


def written(history: Logged, run: str) -> dict[str, set[str | None]]:
    """What stands in those places."""
    found: Run = history.runs.get(run)
    metrics = history.metrics.values([run])[run]
    return {
        "display_name": {found.display_name},
        "description": {found.description},
        "tag": {found.tags.get("tag")},
        "tag key": set(found.tags) - {"tag"},
        "param": {found.params.get("param")},
        "param key": set(found.params) - {"param"},
        "property": {found.properties.get("property")},
        "metric": set(metrics) - {"t"},
        "text": {value for _, value in metrics["t"].logged()} if "t" in metrics else {None},
    }


def test_a_text_is_kept_the_same_everywhere_on_both_databases(history: Logged):
    runs = {case: history.start() for case in KEPT}
    for case, run in runs.items():
        for field in FIELDS:
            write(history, run, field, KEPT[case][0])
    for _ in range(2):
        for case, run in runs.items():
            given, kept = KEPT[case]
            found = written(history, run)
            # what is logged is the script's own, composed or not, but for what no UTF-8 can hold
            assert found.pop("text") <= {given.encode("utf-8", "replace").decode(), kept}
            assert found == {field: {kept} for field in FIELDS if field != "text"}, case
            history.seal(run)


def test_a_text_is_found_by_what_people_write(history: Logged):
    runs = {case: history.start() for case in KEPT}
    for case, run in runs.items():
        for field in FIELDS:
            write(history, run, field, KEPT[case][0])
    history.start()
    sealing.refresh_stale(history.database)
    for case, run in runs.items():
        given, kept = KEPT[case]
        for text in {given.encode("utf-8", "replace").decode(), kept, unicodedata.normalize("NFD", kept)}:
            found_by(history, history.number(run), text)


def found_by(history: Logged, run: int, text: str) -> None:
    value, name = "'" + text.replace("'", "''") + "'", "`" + text.replace("`", "``") + "`"
    for field in ("display_name", "tags.tag", "params.param", "properties.property"):
        found = search.search(history.database, 1, filter=f"{field} = {value}").runs
        assert found == (run,), (field, text)
    for filter in (f"has tags.{name}", f"params.{name} = 'key'", f"metrics.{name} > 1"):
        assert search.search(history.database, 1, filter=filter).runs == (run,), filter
    for filter in (f"display_name contains {value}", value):
        found = search.search(history.database, 1, filter=filter).runs
        assert run in found, filter
        assert len(found) < 12


def test_a_text_that_is_logged_may_hold_any_character(history: Logged):
    run = history.start()
    writer = Writer("t")
    for control in CONTROLS:
        writer.record("value", name="t", type="text", value=f"a{control}b")
        writer.record("row", name="r", columns={f"a{control}b": f"c{control}d"})
    history.take(run, writer)
    for seal in (lambda run: None, history.seal):
        seal(run)
        found = history.metrics.values([run])[run]
        assert [value for _, value in found["t"].logged()] == [f"a{control}b" for control in CONTROLS]
        assert [value for _, value in found["r"].logged()] == [
            {f"a{control}b": f"c{control}d"} for control in CONTROLS
        ]
        assert history.metrics.latest(run)["t"].count == len(CONTROLS)


@pytest.mark.parametrize("field", FIELDS[:-1])
def test_control_characters_are_refused_by_name_and_leave_nothing(history: Logged, field: str):
    run = history.start()
    before = written(history, run)
    wordy = field in ("description", "tag", "param", "property", "display_name")
    for control in CONTROLS:
        if wordy and control in IN_TEXTS:
            continue
        with pytest.raises(Invalid, match=f"control character U\\+{ord(control):04X}"):
            write(history, run, field, f"a{control}b")
    assert written(history, run) == before


def test_lines_of_a_description_stay_lines(history: Logged):
    run = history.start()
    history.runs.edit(run, {"description": "# A\r\n\r\n* b\n\tc\r"})
    history.runs.tag(run, {"note": "a\r\nb\tc"})
    found = history.runs.get(run)
    assert (found.description, found.tags) == ("# A\r\n\r\n* b\n\tc\r", {"note": "a\r\nb\tc"})


def test_names_that_look_alike_are_two_and_two_spellings_of_one_are_one(history: Logged):
    run = history.start()
    history.runs.tag(run, {"loss": "1", "l\u043ess": "2", "lo\u200bss": "3", "\uff4coss": "4"})
    history.runs.tag(run, {"e\u0301": "first", "\u00e9": "second"})
    assert history.runs.get(run).tags == {
        "loss": "1",
        "l\u043ess": "2",
        "lo\u200bss": "3",
        "\uff4coss": "4",
        "\u00e9": "second",
    }
    history.runs.untag(run, ["e\u0301", "\0", "\ud800", ""])
    assert "\u00e9" not in history.runs.get(run).tags
    writer = Writer("w").log({"e\u0301": 1.0}, 1).log({"\u00e9": 2.0}, 2).log({"e": 3.0}, 3)
    history.take(run, writer)
    assert {name: one.count for name, one in history.metrics.latest(run).items()} == {"\u00e9": 2, "e": 1}
    assert history.metrics.series(run, "e\u0301").values.tolist() == [1.0, 2.0]


def test_runs_are_created_found_and_ended_with_any_text(history: Logged):
    experiment = history.runs.get(history.start()).experiment_id
    for number, (given, kept) in enumerate(KEPT.values()):
        new = NewRun(
            id=f"r{number}", experiment=experiment, display_name=given, tags={"t": given}, params={"p": given}
        )
        (created,) = history.runs.create("ws", [new])
        assert (created.display_name, created.tags, created.params) == (kept, {"t": kept}, {"p": kept})
        error = {"code": "c", "message": given, "reason": "code"}
        history.runs.move(f"ws/r{number}", Status.RUNNING)
        ended = history.runs.move(f"ws/r{number}", Status.FAILED, error=error)
        assert ended.error == {"code": "c", "message": kept, "reason": "code"}


def test_any_mixture_is_kept_or_refused(
    history: Logged, rng: random.Random, count: Callable[[int, int], int]
):
    pieces = [given for given, _ in KEPT.values()] + [chr(code) for code in (0, 9, 10, 0x1B, 0x7F, 0xD800)]
    run = history.start()
    for _ in range(count(60, 5_000)):
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 6)))[:240]
        try:
            history.runs.tag(run, {text: text})
        except Invalid:
            assert any(control in text for control in CONTROLS)
            continue
        kept = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
        assert history.runs.get(run).tags == {kept: kept}
        history.runs.untag(run, [kept])


def test_the_sdk_takes_and_gives_back_the_same(stage: Stage):
    run = Experiment(stage.workspace(), "words").start_logging(run_id="r", outputs=False)
    for number, (given, kept) in enumerate(KEPT.values()):
        run.tag(f"tag {number}", given)
        run.log(f"metric {number}", given)
        run.log(given, number)
        assert run.get_tags()[f"tag {number}"] == kept
    found = run.get_metrics()
    for number, (_, kept) in enumerate(KEPT.values()):
        assert found[f"metric {number}"] == kept
        assert found[kept] == number
    run.log_row("row", **{given: given for given, _ in KEPT.values()})
    run.log_list("list", [given for given, _ in KEPT.values()])
    assert run.get_metrics("list")["list"] == [kept for _, kept in KEPT.values()]
    run.complete()
