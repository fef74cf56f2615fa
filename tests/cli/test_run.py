"""`runstone run list` and `runstone run show`: what they find, and how they print it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Done, on_a_terminal

KEYS = """
    runId runNumber experimentName experimentId displayName description status runType target submittedBy
    parentRunId rootRunId createdUtc startTimeUtc endTimeUtc durationSeconds tags properties params metrics
    error logFiles
"""
BARE = """
from runstone import Experiment, Workspace

Experiment(Workspace.from_config(), "e").start_logging(run_id="bare", capture="none")
"""


def ids(done: Done) -> list[str]:
    return [row["runId"] for row in done.json]


def test_runs_without_a_parent_are_listed_newest_first(filled):
    assert ids(filled("run", "list")) == ["failed", "run-2", "run-1", "run-0"]


def test_a_run_has_the_keys_of_the_contract_in_their_order(filled):
    for row in filled("run", "list").json:
        assert list(row) == KEYS.split()
        assert all(
            isinstance(row[key], dict) for key in ("tags", "properties", "params", "metrics", "logFiles")
        )


def test_a_run_is_shown_with_everything_about_it(filled):
    row = filled("run", "show", "-r", "run-2").json
    assert list(row) == KEYS.split()
    assert (row["experimentName"], row["runNumber"], row["displayName"]) == ("digits", 3, "try 2")
    assert row["tags"] == {"number": "2", "worth another look": None, "quality": "fantastic run"}
    assert row["properties"] == {"author": "azureml-user"}
    assert row["params"] == {"kind": "linear", "lr": "0.01"}
    assert row["metrics"] == {"accuracy": 0.9, "loss": pytest.approx(0.1)}
    assert row["description"] == "# Notes\n\nThe best."
    assert (row["error"], row["parentRunId"], row["rootRunId"]) == (None, None, "run-2")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["createdUtc"])
    assert row["durationSeconds"] >= 0
    assert list(row["logFiles"]) == ["logs/user_log.txt"]


def test_an_empty_run_has_empty_objects_and_never_null(runstone, python, write):
    write("make.py", BARE)
    python("make.py")
    row = runstone("run", "show", "--run", "bare").json
    assert [row[key] for key in ("tags", "properties", "params", "metrics", "logFiles")] == [
        {},
        {},
        {},
        {},
        {},
    ]


def test_a_failed_run_says_why_and_nan_is_valid_json(filled):
    row = filled("run", "show", "-r", "failed").json
    assert (row["status"], row["error"]["code"], row["error"]["message"]) == ("Failed", "Luck", "out of luck")
    assert row["metrics"] == {"loss": "NaN"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-e", "other"], ["failed"]),
        (["--experiment-name", "digits", "--last", "2"], ["run-2", "run-1"]),
        (["--limit", "1"], ["failed"]),
        (["--status", "failed"], ["failed"]),
        (["--status", "Failed", "--status", "completed", "--last", "2"], ["failed", "run-2"]),
        (["--status", "Cancelled"], []),
        (["--tags", "number"], ["run-2", "run-1", "run-0"]),
        (["--tags", "number=1"], ["run-1"]),
        (["--tags", "quality='fantastic run'"], ["run-2"]),
        (["--tags", "quality=fantastic run", "--tags", "number=1"], []),
        (["--tags", "worth another look"], ["run-2"]),
        (["--parent-run-id", "run-2"], ["child"]),
        (["--parent-run-id", "run-1"], []),
        (["--parent-run-id", "chi"], []),
        (["--pipeline-run-id", "run-2"], ["child"]),
        (["--compute-target-name", "local", "-e", "other"], ["failed"]),
        (["--filter", "metrics.accuracy > 0.6"], ["child", "run-2", "run-1"]),
        (["--filter", "metrics.accuracy > 0.6 or depth = 1", "--tags", "number=1"], ["run-1"]),
        (["--filter", "params.lr = '0.1' and properties.author = 'x'"], []),
        (["--order-by", "metrics.accuracy", "-e", "digits"], ["run-0", "run-1", "run-2"]),
        (["-w", "second"], []),
        (["-g", "any", "--subscription-id", "any", "-e", "other"], ["failed"]),
    ],
)
def test_a_list_may_be_narrowed(words: list[str], expected: list[str], filled):
    assert ids(filled("run", "list", *words)) == expected


def test_ten_runs_are_listed_unless_said_otherwise(runstone, python, write):
    write(
        "make.py",
        "from runstone import Experiment, Workspace\ne = Experiment(Workspace.from_config(), 'many')\n"
        "for _ in range(12):\n    e.start_logging(capture='none').complete()\n",
    )
    python("make.py")
    assert len(runstone("run", "list").json) == 10
    assert len(runstone("run", "list", "--last", "100").json) == 12


@pytest.mark.parametrize("form", ["json", "jsonc", "ndjson", "yaml", "yamlc", "tsv", "table", "none"])
def test_a_list_is_printed_in_the_form_that_was_asked_for(form: str, filled):
    expected = filled("run", "list").json
    done = filled("run", "list", "-o", form)
    assert (done.code, done.err) == (0, "")
    assert read(form, done.out, expected) == ["failed", "run-2", "run-1", "run-0"]


def read(form: str, text: str, expected: list[dict[str, Any]]) -> list[str]:
    """The ids, after a comparison of everything where the form has it."""
    if form == "none":
        assert text == ""
        return [row["runId"] for row in expected]
    if form == "tsv":
        return [row[0] for row in csv.reader(text.splitlines(), delimiter="\t")]
    if form == "table":
        return [line.split()[0] for line in text.splitlines()[2:]]
    lines = [json.loads(line) for line in text.splitlines()] if form == "ndjson" else yaml.safe_load(text)
    assert lines == expected
    return [row["runId"] for row in lines]


def test_a_table_has_what_people_look_for(filled):
    heading, rule, *lines = filled("run", "list", "-o", "table").out.splitlines()
    assert heading.split() == [
        "Run",
        "Name",
        "Experiment",
        "Status",
        "Started",
        "Duration",
        "loss",
        "accuracy",
    ]
    assert set(rule) == {"-", " "}
    assert re.fullmatch(
        r"run-2 +try 2 +digits +Completed +\d{4}-\d\d-\d\d [\d:]{8} +\d\.\d s +0\.1 +0\.9", lines[1]
    )


def test_a_terminal_gets_a_table_that_fits_and_a_pipe_gets_json(filled):
    text = on_a_terminal("run", "list", columns=80)
    assert text.startswith("Run")
    assert max(map(len, text.splitlines())) <= 80
    assert ids(filled("run", "list")) == [line.split()[0] for line in text.splitlines()[2:]]
    assert on_a_terminal("run", "list", "-o", "ndjson", columns=80).startswith('{"runId"')


def test_a_narrow_terminal_goes_without_columns_before_a_status_or_a_number_is_cut(runstone, python, write):
    write(
        "make.py",
        "from runstone import Experiment, Workspace\n"
        "e = Experiment(Workspace.from_config(), 'narrow-terminals')\n"
        "with e.start_logging(display_name='first', run_id='r' * 36, capture='none') as run:\n"
        "    run.log_metrics({'loss': -1.2345678e-05})\n    run.log_row('a row', x=1)\n",
    )
    assert python("make.py").code == 0
    heading, _, row = on_a_terminal("run", "list", columns=80).splitlines()
    assert max(len(heading), len(row)) <= 80
    assert "Started" not in heading
    assert "a row" not in heading
    assert [row.split()[at] for at in (0, 1, 3, 4)] == ["r" * 36, "first", "Completed", "-1.235e-05"]
    assert "Started" in on_a_terminal("run", "list", columns=110)
    assert "narrow-terminals" in on_a_terminal("run", "list", columns=140)


def test_a_failed_run_on_a_terminal_says_where(runstone, write):
    write("wrong.py", "from azureml.core import Run\nRun.get_context()\n1 / 0\n")
    assert runstone("exec", "-n", "wrong", "wrong.py").code == 1
    (run,) = runstone("run", "list").json
    text = on_a_terminal("run", "show", "-r", run["runId"], columns=80)
    assert "division by zero" in text
    assert re.search(r'File ".*wrong\.py", line 3', text)


def test_a_run_on_a_terminal_is_a_card(filled):
    text = on_a_terminal("run", "show", "-r", "run-2", columns=80)
    assert "Experiment   digits, run 3" in text
    assert re.search(r"Tags +number = 2\n +quality = fantastic run\n +worth another look\n", text)
    assert re.search(r"Description +# Notes\n\n +The best\.\n", text)
    assert "Luck: out of luck" in on_a_terminal("run", "show", "-r", "failed", columns=80)


def test_names_from_far_away_stand_in_their_columns_and_move_no_cursor(runstone, python, write):
    names = ["학습 실험 하나", "\u202eevil", "e\u0301tude", "x" * 500]
    write(
        "make.py",
        f"from runstone import Experiment, Workspace\ne = Experiment(Workspace.from_config(), 'names')\n"
        f"for name in {names!r}:\n    e.start_logging(display_name=name, capture='none').complete()\n",
    )
    assert python("make.py").code == 0
    text = on_a_terminal("run", "list", columns=140)
    assert "학습 실험 하나" in text
    assert "\u202e" not in text
    assert "x…" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "show", "-r", "nope"], 1, "There is no run 'nope' in the workspace 'default'"),
        (["run", "show", "-r", "a/b"], 1, "There is no run 'a/b'"),
        (["run", "show", "-r", ""], 1, "There is no run ''"),
        (
            ["run", "list", "-e", "nope"],
            1,
            "There is no experiment 'nope' in the workspace 'default'; there are: digits, other",
        ),
        (["run", "list", "-w", "nope"], 1, "nope"),
        (["run", "list", "--parent-run-id", "nope"], 1, "There is no run 'nope' in the workspace 'default'"),
        (["run", "list", "--parent-run-id", "run-"], 1, "Several runs begin with 'run-'"),
        (["run", "list", "--filter", "metrics.acc >"], 1, "at 14: expected a value after '>'"),
        (["run", "list", "--order-by", "metrics."], 1, "at "),
        (["run", "list", "--status", "Odd"], 2, "There is no status 'Odd'; a run is NotStarted, "),
        (["run", "list", "--last", "0"], 2, "0 is not in the range"),
        (["run", "list", "-o", "xml"], 2, "'xml' is not one of"),
        (["run", "list", "--path", "missing"], 2, "'missing' does not exist"),
        (["run", "list", "--lats", "3"], 2, "--last"),
        (["run", "show"], 2, "Missing option '--run'"),
        (["run", "shwo"], 2, "No such command 'shwo'"),
        (["rum"], 2, "No such command 'rum'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: list[str], code: int, said: str, filled):
    done = filled(*words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("runstone: ")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_the_trace_of_an_error_is_shown_on_request(filled):
    for words in (["--debug", "run", "show", "-r", "nope"], ["run", "show", "-r", "nope", "--debug"]):
        done = filled(*words)
        assert done.code == 1
        assert "Traceback (most recent call last)" in done.err
        assert done.err.splitlines()[-1].startswith("runstone: There is no run 'nope'")


def test_an_unknown_metric_is_a_word_beside_an_empty_list(filled):
    done = filled("run", "list", "--filter", "metrics.acuracy > 0.9")
    assert done.json == []
    assert "accuracy" in done.err


def test_where_there_is_no_history_none_is_made(runstone, tmp_path: Path):
    place = tmp_path / "elsewhere"
    place.mkdir()
    env_home = tmp_path / "home"
    (tmp_path / ".runstone" / "history").rmdir()
    (tmp_path / ".runstone").rmdir()
    done = runstone("run", "list", "--path", str(place))
    assert done.json == []
    assert "There is no history yet" in done.err
    assert runstone("run", "show", "-r", "x", "--path", str(place)).code == 1
    assert runstone("gc", "--path", str(place)).json["runs"] == 0
    assert not env_home.exists()


def test_the_place_may_be_given_as_a_path(filled, project: Path, monkeypatch: pytest.MonkeyPatch):
    (project / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir("/")
    assert len(filled("run", "list", "--path", str(project / "deep" / "down")).json) == 4
