"""Workspaces, experiments, folders, environments, targets, searches, and the end of what was deleted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runstone.cli import commands, runs
from tests.cli.conftest import Call, call, environment, on_a_terminal


def test_workspaces_are_made_listed_and_shown(runstone: Call):
    assert runstone("workspace", "list").json == []
    assert runstone("workspace", "create", "-w", "team", "-g", "group").json["labels"] == {
        "resource_group": "group"
    }
    again = runstone("workspace", "create", "-w", "team")
    assert (again.code, "exists already" in again.err) == (1, True)
    assert runstone("workspace", "create", "-w", "team", "--exist-ok").code == 0
    assert [one["name"] for one in runstone("workspace", "list").json] == ["team"]
    assert runstone("workspace", "show", "-w", "team").json["history"].endswith(".runstone/history")
    assert "There is no workspace 'none'" in runstone("workspace", "show", "-w", "none").err
    assert runstone("workspace", "create").code == 2


def test_an_attached_folder_says_workspace_and_experiment(runstone: Call, python: Call, write):
    done = runstone("folder", "attach", "-w", "team", "-e", "mine", "-t", "attached.json")
    assert json.loads(Path("attached.json").read_text()) == done.json
    write(
        "make.py",
        "from runstone import Experiment, Workspace\nws = Workspace.from_config()\n"
        "Experiment(ws, 'mine').start_logging(run_id='a', capture='none').complete()\n"
        "Experiment(ws, 'other').start_logging(run_id='b', capture='none').complete()\n",
    )
    assert python("make.py").code == 0
    assert [run["runId"] for run in runstone("run", "list").json] == ["a"]
    assert [run["runId"] for run in runstone("run", "list", "--all-experiments").json] == ["b", "a"]
    assert [run["runId"] for run in runstone("run", "list", "-e", "other").json] == ["b"]
    assert runstone("experiment", "show").json["name"] == "mine"
    nothing = runstone("run", "list", "--status", "queued")
    assert (nothing.json, "attached to the experiment mine" in nothing.err) == ([], True)
    Path("below").mkdir()
    assert [run["runId"] for run in runstone("run", "list", "--path", "below").json] == ["a"]


def test_attaching_again_keeps_what_a_person_has_changed(runstone: Call):
    assert runstone("folder", "attach").code == 0
    changed = Path(".runstone/local.runconfig").read_text() + "# mine\n"
    Path(".runstone/local.runconfig").write_text(changed)
    assert runstone("folder", "attach", "-e", "second").json["experiment"] == "second"
    assert Path(".runstone/local.runconfig").read_text() == changed
    assert json.loads(Path(".runstone/config.json").read_text())["experiment"] == "second"
    assert runstone("folder", "attach", "-e", "no good").code == 1


def test_a_folder_of_the_original_is_read_as_well(runstone: Call, write):
    names = {"subscription_id": "s", "resource_group": "g", "workspace_name": "theirs"}
    write(".azureml/config.json", json.dumps(names))
    assert runstone("whoami").json["workspace"] == "theirs"
    assert runstone("folder", "attach").json["workspace"] == "theirs"


def test_experiments_are_listed_tagged_archived_and_deleted(runstone: Call, python: Call, write):
    write(
        "make.py",
        "from runstone import Experiment, Workspace\nws = Workspace.from_config()\n"
        "Experiment(ws, 'used').start_logging(capture='none').complete()\nExperiment(ws, 'empty')\n",
    )
    assert python("make.py").code == 0
    assert [one["name"] for one in runstone("experiment", "list").json] == ["used", "empty"]
    assert "used" in runstone("experiment", "list", "-o", "table").out
    tagged = runstone("experiment", "tag", "-e", "used", "--add-tag", "owner=kim", "--add-tag", "look")
    assert tagged.json["tags"] == {"look": None, "owner": "kim"}
    untagged = runstone("experiment", "tag", "-e", "used", "--remove-tag", "look")
    assert untagged.json["tags"] == {"owner": "kim"}
    assert runstone("experiment", "archive", "-e", "used").json["archivedUtc"]
    assert [one["name"] for one in runstone("experiment", "list", "--archived").json] == ["used"]
    assert runstone("experiment", "reactivate", "-e", "used", "--new-name", "new").json["name"] == "new"
    refused = runstone("experiment", "delete", "-e", "new")
    assert (refused.code, "still has runs" in refused.err) == (1, True)
    assert runstone("experiment", "delete", "-e", "empty").code == 0
    missing = runstone("experiment", "show", "-e", "empty")
    assert "There is no experiment 'empty' in the workspace 'default'; there are: new." in missing.err
    assert runstone("experiment", "show").code == 2


def test_environments_are_registered_listed_shown_and_downloaded(runstone: Call, write):
    write("requirements.txt", "six==1.16.0\n")
    made = runstone("environment", "register", "-n", "small", "--pip-requirements", "requirements.txt").json
    assert (made["name"], made["version"]) == ("small", "1")
    assert [one["name"] for one in runstone("environment", "list").json] == ["small"]
    assert runstone("environment", "show", "-n", "small").json == made
    assert runstone("environment", "download", "-n", "small", "-d", "copy").code == 0
    again = runstone("environment", "register", "--directory", "copy").json
    assert again["version"] == "1"
    assert runstone("environment", "register", "-n", "small").code == 2
    assert "there are: 'small'" in runstone("environment", "show", "-n", "none").err


def test_targets_are_attached_shown_without_their_secrets_and_detached(runstone: Call):
    words = ("computetarget", "attach", "slurm", "-n", "cluster", "--partition", "gpu")
    assert runstone(*words, "--argument=--gres=gpu:1").json["config"]["arguments"] == ["--gres=gpu:1"]
    ray = (
        "computetarget",
        "attach",
        "ray",
        "-n",
        "ray",
        "--address",
        "http://head:8265",
        "--token",
        "secret",
    )
    assert "secret" not in runstone(*ray).out
    listed = runstone("computetarget", "list").json
    assert [(one["name"], one["type"]) for one in listed] == [
        ("local", "local"),
        ("cluster", "slurm"),
        ("ray", "ray"),
    ]
    assert "secret" not in runstone("computetarget", "show", "-n", "ray").out
    assert runstone("computetarget", "detach", "-n", "ray").code == 0
    assert "there are: local, cluster" in runstone("computetarget", "show", "-n", "ray").err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["fantastic"], ["run-2"]),
        (["fantastic", "run"], ["run-2"]),
        (["metrics.accuracy > 0.6"], ["child", "run-2", "run-1"]),
        (["metrics.accuracy > 0.6", "--order-by", "metrics.accuracy", "--limit", "1"], ["run-1"]),
    ],
)
def test_runs_are_searched_by_words_and_by_filters(words: list[str], found: list[str], filled: Call):
    assert [run["runId"] for run in filled("search", *words).json] == found


def test_a_search_counts_and_tells_what_cannot_be_read(filled: Call):
    assert filled("search", "--count", "status = completed").json == {"count": 4, "more": False}
    wrong = filled("search", "metrics.acc >")
    assert (wrong.code, "at 14: expected a value after '>'" in wrong.err) == (1, True)


def test_a_run_that_is_watched_on_a_terminal_is_a_table_with_its_course(runstone: Call, python: Call, write):
    write(
        "make.py",
        "from runstone import Experiment, Workspace\n"
        "run = Experiment(Workspace.from_config(), 'e').start_logging(run_id='watched', capture='none')\n"
        "for step in range(8):\n    run.log('loss', step, step=step)\nrun.complete()\n",
    )
    assert python("make.py").code == 0
    text = on_a_terminal("watch", "-r", "watched", columns=100)
    assert "loss ▁▂▃▄▅▆▇█ 7" in text
    assert "Completed" in text
    assert max(len(line) for line in text.splitlines()) < 120


def test_nobody_needs_to_log_in_to_a_directory(runstone: Call):
    for words in (["login"], ["logout"], ["login", "-w", "team"]):
        done = runstone(*words)
        assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
        assert "No login is needed" in done.out
    assert set(runstone("whoami").json) == {"user", "history", "workspace", "experiment"}


def test_garbage_is_counted_before_it_goes(runstone: Call, python: Call, write):
    write(
        "make.py",
        "from runstone import Experiment, Workspace\nfrom pathlib import Path\n"
        "e = Experiment(Workspace.from_config(), 'e')\nPath('f').write_text('content')\n"
        "for id in ('a', 'b'):\n    run = e.start_logging(run_id=id, capture='none')\n"
        "    run.upload_file('f', 'f')\n    run.complete()\n",
    )
    assert python("make.py").code == 0
    assert runstone("run", "delete", "-r", "a").code == 0
    assert runstone("gc").json["runs"] == 0
    report = runstone("gc", "--older-than", "0")
    assert (report.json["runs"], report.json["files"]) == (1, 1)
    assert "Nothing was removed" in report.err
    assert runstone("run", "restore", "-r", "a").code == 0
    assert runstone("run", "delete", "-r", "a").code == 0
    done = runstone("gc", "--older-than", "0", "--yes", "-o", "table")
    assert "Purged: 1 deleted run with 1 files (7 bytes)" in done.out
    assert runstone("run", "restore", "-r", "a").code == 1
    assert runstone("run", "download", "-r", "b").code == 0
    assert runstone("doctor").code == 0


def test_the_lists_of_commands_say_what_the_commands_say():
    code = (
        "import click, inspect\nfrom runstone.cli.commands import cli\n"
        "def walk(words, group):\n"
        "    context = click.Context(group)\n"
        "    for name in group.list_commands(context):\n"
        "        command = group.get_command(context, name)\n"
        "        assert command is not None and command.name == name, (words, name, command.name)\n"
        "        first = [text.split()[0] for text in (command.help, group.lazy[name][1])]\n"
        "        assert first[0] == first[1], (name, first)\n"
        "        if isinstance(command, click.Group):\n"
        "            walk([*words, name], command)\n"
        "        elif name not in ('demo', 'init', 'doctor'):\n"
        "            said = inspect.cleandoc(command.help)\n"
        "            assert '\\b\\nrunstone ' in said or 'eval ' in said, (words, name)\n"
        "walk([], cli)\n"
    )
    done = call(sys.executable, "-c", code, env=environment())
    assert (done.code, done.err) == (0, "")
    assert len(commands.COMMANDS) > 15
    assert len(runs.COMMANDS) > 15


def test_the_manual_page_is_one_that_man_reads(runstone: Call):
    page = runstone("man").out
    assert page.startswith(".TH RUNSTONE 1")
    assert ".SS runstone run update" in page
    assert ".SH EXIT STATUS" in page
    if shutil.which("groff"):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww"], input=page, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""


@pytest.mark.parametrize("words", [("folder", "attach"), ("init",)])
def test_a_folder_that_cannot_be_made_is_one_line(words: tuple[str, ...], runstone: Call, tmp_path: Path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / ".runstone").write_text("a file in the way")
    place = ["--path"] if words[0] == "folder" else []
    done = runstone(*words, *place, str(tmp_path / "taken"))
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "cannot be written (" in done.err
    assert "; name another place." in done.err


def test_a_narrow_list_of_experiments_has_their_names(filled: Call):
    text = on_a_terminal("experiment", "list", columns=20)
    assert text.split()[0] == "Experiment"
    assert "digits" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str, runstone: Call):
    done = runstone("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_RUNSTONE_COMPLETE={shell}_complete" in done.out


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("runstone ru", ["run"]),
        ("runstone run sh", ["show"]),
        ("runstone run show -r run-", ["run-2", "run-1", "run-0"]),
        ("runstone run list -e dig", ["digits"]),
        ("runstone watch -r run-1", ["run-1"]),
        ("runstone run list --tags q", ["quality"]),
        ("runstone run update -r run-1 --add-tag n", ["number"]),
        ("runstone run list --outp", ["--output", "--output-metadata-file"]),
        ("runstone run list -w none -e d", []),
    ],
)
def test_ids_names_and_keys_are_completed_in_bash(typed: str, found: list[str], project: Path, python: Call):
    words = typed.split(" ")
    given = environment(_RUNSTONE_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))
    done = call(str(Path(sys.executable).with_name("runstone")), cwd=project, env=given)
    assert (done.code, done.err) == (0, "")
    assert [line.partition(",")[2] for line in done.out.splitlines() if line] == found


def test_models_are_registered_from_runs_and_files_shown_changed_downloaded_and_deleted(
    runstone: Call, write
):
    write(
        "train.py",
        "from pathlib import Path\nfrom azureml.core import Run\nPath('outputs').mkdir(exist_ok=True)\n"
        "Path('outputs/model.bin').write_bytes(b'weights')\nRun.get_context()\n",
    )
    assert runstone("run", "submit-script", "-e", "models", "-t", "run.json", "train.py").code == 0
    words = ("model", "register", "-n", "digits", "-f", "run.json", "--asset-path", "outputs/model.bin")
    made = runstone(*words, "--tag", "stage=test", "--property", "data=v1").json
    assert (made["id"], made["tags"], made["properties"]) == ("digits:1", {"stage": "test"}, {"data": "v1"})
    assert made["runId"] == json.loads(Path("run.json").read_text())["runId"]
    write("local.bin", "more")
    assert runstone("model", "register", "-n", "digits", "-p", "local.bin").json["version"] == 2
    assert [one["id"] for one in runstone("model", "list").json] == ["digits:2", "digits:1"]
    assert [one["id"] for one in runstone("model", "list", "--tag", "stage=test").json] == ["digits:1"]
    assert [one["id"] for one in runstone("model", "list", "--latest", "-r", made["runId"]).json] == []
    changed = runstone("model", "update", "-i", "digits:1", "--add-tag", "stage=live", "-d", "good").json
    assert (changed["tags"], changed["description"]) == ({"stage": "live"}, "good")
    done = runstone("model", "download", "-i", "digits:1", "-t", "models")
    assert Path(done.out.strip()).read_bytes() == b"weights"
    assert runstone("model", "delete", "-n", "digits").code == 2
    assert runstone("model", "delete", "-i", "digits:2").code == 0
    assert runstone("model", "show", "-n", "digits").json["version"] == 1
    missing = runstone("model", "show", "-n", "none")
    assert (missing.code, missing.err.count("\n")) == (1, 1)
    assert runstone("model", "register", "-n", "digits").code == 2
    assert runstone("model", "show").code == 2


def test_data_sets_are_registered_listed_shown_and_forgotten(runstone: Call, write):
    write("data/a.csv", "x,y\n1,2\n")
    words = ("dataset", "register", "-n", "digits", "--format", "delimited", "data/*.csv")
    made = runstone(*words, "--tag", "kind=small").json
    assert (made["name"], made["version"], made["type"]) == ("digits", 1, "Tabular")
    assert made["tags"] == {"kind": "small"}
    assert runstone("dataset", "register", "-n", "folder", "data").json["type"] == "File"
    assert [one["name"] for one in runstone("dataset", "list").json] == ["digits", "folder"]
    assert runstone("dataset", "show", "-n", "digits").json == made
    assert runstone("dataset", "unregister", "-n", "folder").code == 0
    missing = runstone("dataset", "show", "-n", "folder")
    assert (missing.code, missing.err.count("\n")) == (1, 1)
