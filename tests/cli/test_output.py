"""What every command that prints data takes: forms, queries, columns, a file; what may reach a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Call, call, environment, on_a_terminal

MANY = """
from runstone import Experiment, Workspace
from runstone.model.runs import NewRun
ws = Workspace.from_config()
experiment = Experiment(ws, "many")
ws._service.runs.create(ws.name, [NewRun(id=f"run-{n}", experiment=experiment.id) for n in range(1200)])
"""
EVIL = """
from runstone import Experiment, Workspace
name = "\\u202eevil\\ufeff"
run = Experiment(Workspace.from_config(), "names").start_logging(display_name=name, capture="none")
run.set_tags({name: name})
run.log("said", name)
run.complete()
"""
EXACTLY = """
from runstone import Experiment, Workspace
run = Experiment(Workspace.from_config(), "digits").start_logging(run_id="exactly", capture="none")
run.set_tags({"long": "x" * 100})
run.log("loss", 0.12345678901234568)
run.complete()
"""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("[].runId", ["failed", "run-2", "run-1", "run-0"]),
        ("[?properties.author=='azureml-user'].runId", ["run-2"]),
        ("[?tags.keys(@)[?starts_with(@, 'worth another look')]].runId", ["run-2"]),
        ("[?tags.quality=='fantastic run' && status=='Completed'].metrics.accuracy", [0.9]),
        ("length(@)", 4),
        ("[0].{id: runId, tags: tags}", {"id": "failed", "tags": {}}),
        ("[0].nothing", None),
    ],
)
def test_a_query_picks_from_what_would_be_printed(query: str, expected: object, filled: Call):
    assert filled("run", "list", "--query", query).json == expected
    if query.startswith("["):
        assert filled("run", "list", query).json == expected


@pytest.mark.parametrize(
    ("form", "query", "text"),
    [
        ("tsv", "[].runId", "failed\nrun-2\nrun-1\nrun-0\n"),
        ("tsv", "[?tags.number].[runId, tags.number]", "run-2\t2\nrun-1\t1\nrun-0\t0\n"),
        ("tsv", "[0].runId", "failed\n"),
        ("ndjson", "[:2].runId", '"failed"\n"run-2"\n'),
        ("yaml", "[0].runId", "failed\n"),
        ("none", "[0].runId", ""),
        ("table", "[1].{id: runId, lr: params.lr}", "id  run-2\nlr  0.01\n"),
        ("table", "[:2].{id: runId}", "id\n------\nfailed\nrun-2\n"),
    ],
)
def test_what_a_query_finds_is_printed_in_every_form(form: str, query: str, text: str, filled: Call):
    assert filled("run", "list", "-o", form, "--query", query).out == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--query", "[?a == 'b' && ]"], "at 14: this cannot stand here: ']'"),
        (["[?a == 'b' && ]"], "at 14: this cannot stand here: ']'"),
        (["--query", "[?properties.author=='x'"], "at 24: it ends too early"),
        (["--query", "[?properties.author==azureml-user]"], "between double quotes"),
        (["--query", "'abc"], "at 0: what begins here is never closed"),
        (["--query", ""], "The query is empty"),
        (["--query", "nofn(@)"], "Unknown function: nofn()"),
        (["--query", "keys(@)"], "keys() takes object, and got array. See"),
        (["--query", "sort_by(@, &foo)"], "sort_by() takes string or number, and got null. See"),
        (["--query", "&runId"], "an expression after & is for a function"),
        (["--query", "[::0]"], "slice step cannot be zero"),
        (["--query", "(" * 5000], "it is nested too deeply"),
        (["[0]", "--query", "[0]"], "Give one query"),
        (["runs"], "unexpected extra argument (runs)"),
        (["--columns", "runId,colour"], "There is no column 'colour'; there are: runId, runNumber"),
        (["-t", "no/such/place.json"], "There is no directory"),
    ],
)
def test_what_cannot_be_asked_is_one_line_of_wrong_usage(words: list[str], said: str, filled: Call):
    done = filled("run", "list", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_query_that_has_not_seen_every_run_says_so(filled: Call):
    done = filled("run", "list", "--last", "2", "[].runId")
    assert done.json == ["failed", "run-2"]
    assert "the first 2 runs" in done.err.replace("The query has seen", "The query has seen")
    assert filled("run", "list", "--last", "2", "[].runId", "--only-show-errors").err == ""


def test_columns_are_chosen_in_every_form(filled: Call):
    words = ("run", "list", "-e", "digits", "--last", "1", "--columns", "runid, metrics.accuracy,params.none")
    assert filled(*words).json == [{"runid": "run-2", "metrics.accuracy": 0.9, "params.none": None}]
    assert filled(*words, "-o", "tsv").out == "run-2\t0.9\t\n"
    heading, _, row = filled(*words, "-o", "table").out.splitlines()
    assert (heading.split(), row.split()) == (["runid", "metrics.accuracy", "params.none"], ["run-2", "0.9"])
    shown = filled("run", "show", "-r", "run-2", "--columns", "runId,tags.number")
    assert shown.json == {"runId": "run-2", "tags.number": "2"}


def test_columns_are_chosen_of_what_a_query_finds(filled: Call):
    words = ("--columns", "runId,params.lr")
    assert filled("run", "list", "[?tags.quality]", *words).json == [{"runId": "run-2", "params.lr": "0.01"}]
    assert filled("run", "list", "[?tags.quality] | [0]", *words).json == {
        "runId": "run-2",
        "params.lr": "0.01",
    }
    assert filled("run", "list", "[?tags.quality].runId", *words).json == ["run-2"]
    assert filled("run", "show", "-r", "run-2", "--query", "tags", "--columns", "number").json == {
        "number": "2"
    }


def test_what_json_has_no_word_for_is_a_text_when_a_query_finds_it(filled: Call):
    assert filled("run", "list", "--query", "[to_number('1e999'), `-Infinity`]").json == [
        "Infinity",
        "-Infinity",
    ]


def test_programs_are_given_every_digit_and_people_four(runstone: Call, python: Call, write):
    write("train.py", EXACTLY)
    assert python("train.py").code == 0
    asked = ("run", "show", "-r", "exactly", "--query", "metrics.loss", "-o")
    assert runstone(*asked, "tsv").out == "0.12345678901234568\n"
    assert runstone(*asked, "table").out.splitlines()[-1] == "0.1235"
    chosen = ("run", "list", "--columns", "runId,metrics.loss,tags", "-o", "tsv")
    assert runstone(*chosen).out == 'exactly\t0.12345678901234568\t{"long": "' + "x" * 100 + '"}\n'


def test_the_data_are_written_to_a_file_too(filled: Call, tmp_path: Path):
    file = tmp_path / "run.json"
    assert filled("run", "show", "-r", "run-1", "-t", str(file), "-o", "none").out == ""
    assert json.loads(file.read_text())["runId"] == "run-1"
    listed = filled("run", "list", "-t", str(file), "--query", "[0].runId", "-o", "tsv")
    assert listed.out == "failed\n"
    assert [run["runId"] for run in json.loads(file.read_text())] == ["failed", "run-2", "run-1", "run-0"]
    assert filled("run", "list", "-t", str(file), "-o", "none").out == ""
    assert len(json.loads(file.read_text())) == 4
    filled("run", "list", "--status", "queued", "-t", str(file))
    assert json.loads(file.read_text()) == []
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_pipe_that_the_data_are_written_to_stays_one(filled: Call, tmp_path: Path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        assert filled("run", "show", "-r", "run-1", "-t", str(pipe), "-o", "none").code == 0
        assert json.loads(reader.communicate()[0])["runId"] == "run-1"
    assert pipe.is_fifo()
    link.symlink_to(tmp_path / "run.json")
    assert filled("run", "show", "-r", "run-1", "-t", str(link), "-o", "none").code == 0
    assert link.is_symlink()
    assert json.loads((tmp_path / "run.json").read_text())["runId"] == "run-1"


def test_a_file_for_the_data_that_cannot_be_made_is_one_line(filled: Call):
    done = filled("run", "show", "-r", "run-1", "-t", "/proc/run.json")
    assert (done.code in (1, 2), done.out, done.err.count("\n")) == (True, "", 1)
    assert "/proc/" in done.err
    assert "cannot be written" in done.err


def test_options_are_read_from_the_environment(project: Path):
    given = environment(RUNSTONE_OUTPUT="tsv", RUNSTONE_COLUMNS="runId", RUNSTONE_RUN_LIST_LIMIT="1")
    assert call(PROGRAM, "run", "list", cwd=project, env=given).out == "failed\n"
    given = environment(RUNSTONE_RUN_ID="run-1", RUNSTONE_QUERY="runId")
    assert call(PROGRAM, "run", "show", cwd=project, env=given).out == '"run-1"\n'
    given = environment(RUNSTONE_EXPERIMENT="other", RUNSTONE_OUTPUT="")
    assert [run["runId"] for run in call(PROGRAM, "run", "list", cwd=project, env=given).json] == ["failed"]


def test_colours_are_for_terminals_and_for_nobody_who_wants_none(filled: Call):
    coloured = {"NO_COLOR": "", "TERM": "xterm"}
    assert "\x1b[31mFailed" in on_a_terminal("run", "list", columns=140, **coloured)
    assert "\x1b[36m" in on_a_terminal("run", "list", "-o", "jsonc", **coloured)
    assert "\x1b[36m" in on_a_terminal("run", "list", "-o", "yamlc", **coloured)
    assert "\x1b" not in on_a_terminal("run", "list", "-o", "json", **coloured)
    assert "\x1b" not in on_a_terminal("run", "list", "-o", "jsonc", NO_COLOR="1", TERM="xterm")
    assert "\x1b" not in on_a_terminal("run", "list", NO_COLOR="", TERM="dumb")
    assert "\x1b" not in filled("run", "list", "-o", "jsonc").out


@pytest.mark.parametrize("form", ["json", "jsonc", "ndjson", "yaml", "yamlc", "tsv", "table"])
def test_no_form_prints_what_a_terminal_would_obey(form: str, runstone: Call, python: Call, write):
    write("make.py", EVIL)
    made = python("make.py")
    done = runstone("run", "list", "-o", form)
    assert (made.code, done.code) == (0, 0), made.err
    assert not set(done.out) & {"\x1b", "\x07", "\x9b", "\u202e"}
    if form == "json":
        assert "\u202e" in done.json[0]["displayName"]


def test_a_long_listing_streams_and_is_the_same_in_every_form(runstone: Call, python: Call, write):
    write("many.py", MANY)
    assert python("many.py").code == 0
    words = ("run", "list", "--last", "2000", "--minimal", "-o")
    expected = [f"run-{n}" for n in reversed(range(1200))]
    assert [run["runId"] for run in json.loads(runstone(*words, "json").out)] == expected
    assert [json.loads(line)["runId"] for line in runstone(*words, "ndjson").out.splitlines()] == expected
    assert [line.split("\t")[0] for line in runstone(*words, "tsv").out.splitlines()] == expected
    with subprocess.Popen(
        ["/bin/bash", "-c", f"set -o pipefail; {PROGRAM} {' '.join(words)} ndjson | head -n 1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (141, "")
    assert json.loads(out)["runId"] == "run-1199"


def test_every_command_that_prints_data_takes_what_all_take():
    code = (
        "from scripts.reference import commands\n"
        "for words, command in commands().items():\n"
        "    names = {name for each in command.params for name in each.opts}\n"
        "    if '--output' in names and words != 'runstone run diff':\n"
        "        assert names >= {'-o', '--query', '--columns', '-t', '--output-metadata-file'}, words\n"
        "    assert names >= {'--debug', '--verbose', '--only-show-errors'}, words\n"
    )
    root = Path(__file__).parents[2]
    done = call(sys.executable, "-c", code, cwd=root)
    assert (done.code, done.err) == (0, "")
