"""The verbs of `runstone run`: what they change, what they refuse, and what they leave as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runstone.cli.main import main
from runstone.service.connect import disconnect
from tests.cli.conftest import PROGRAM, Call, Done, environment

MAKE = """
from pathlib import Path

from runstone import Experiment, Workspace

digits = Experiment(Workspace.from_config(), "digits")
Path("outputs").mkdir()
Path("outputs/model.bin").write_bytes(b"weights")
with digits.start_logging(run_id="abc-first", capture="none", properties={"author": "kim"}) as run:
    for step in range(5):
        run.log("loss", 1 / (step + 1), step=step)
    run.log("said", "text")
    print("\\x1b[31mred\\x1b[0m and \\x1b]0;owned\\x07")
    with run.child_run(run_id="abc-child") as child:
        child.child_run(run_id="abc-grandchild").complete()
digits.start_logging(run_id="abd-second", capture="none", outputs=False).complete()
"""
LIVING = """
import sys, time
from runstone import Experiment, Workspace

run = Experiment(Workspace.from_config(), "digits").start_logging(run_id="living", capture="none")
run.log("loss", 0.5)
run.flush()
with run:
    print("begun", flush=True)
    print("ready", file=sys.stderr, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def here(history: Path, python: Call, capfd: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """The command line in a project with four runs, called by the function that the console script calls."""
    Path("make.py").write_text(MAKE, encoding="utf-8")
    done = python("make.py")
    assert done.code == 0, done.err

    def run(*words: str) -> Done:
        code = main(words)
        return Done(code, *capfd.readouterr())

    yield run
    disconnect(history)


@pytest.fixture
def living(here: Call, write: Callable[[str, str], Path]) -> Iterator[subprocess.Popen[str]]:
    """A run that goes on in another process."""
    write("living.py", LIVING)
    with subprocess.Popen(
        [sys.executable, "living.py"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == "ready\n"
        yield process
        process.kill()


def refused(done: Done, code: int = 1) -> str:
    assert (done.code, done.out) == (code, ""), done
    assert done.err.startswith("runstone: ")
    assert done.err.count("\n") == 1
    return done.err


def interrupted(*words: str, after: str, stream: str) -> Done:
    """What comes of a command that hears Ctrl-C once it has printed a line."""
    with subprocess.Popen(
        [PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    ) as process:
        watched = process.stdout if stream == "out" else process.stderr
        assert watched
        while after not in (line := watched.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


def test_the_beginning_of_an_id_is_enough_where_it_is_one_runs_alone(here: Call):
    assert here("run", "show", "-r", "abd").json["runId"] == "abd-second"
    assert "Several runs begin with 'ab': " in refused(here("run", "show", "-r", "ab"))
    assert "abc-first" in here("run", "show", "-r", "ab").err
    assert "There is no run 'x'" in refused(here("run", "show", "-r", "x"))


def test_everything_about_a_run_that_may_change_is_changed_at_once(here: Call):
    done = here(
        *("run", "update", "-r", "abd", "--add-tag", "quality='good one'", "--add-tag", "look"),
        *("--add-property", "data=v1", "--display-name", "second", "--description", "# Notes"),
    )
    row = done.json
    assert row["tags"] == {"quality": "good one", "look": None}
    assert (row["properties"], row["displayName"], row["description"]) == (
        {"data": "v1"},
        "second",
        "# Notes",
    )
    done = here("run", "update", "-r", "abd", "--remove-tag", "look", "--display-name", "")
    assert (done.json["tags"], done.json["displayName"]) == ({"quality": "good one"}, "abd-second")


def test_a_property_that_exists_is_refused_and_nothing_else_is_changed(here: Call):
    done = here("run", "update", "-r", "abc-first", "--add-tag", "a=b", "--add-property", "author=lee")
    assert "The property 'author' is 'kim' already" in refused(done)
    assert here("run", "show", "-r", "abc-first").json["tags"] == {}
    same = here("run", "update", "-r", "abc-first", "--add-tag", "a=b", "--add-property", "author=kim")
    assert same.json["tags"] == {"a": "b"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Say what is to change"),
        (["--add-property", "author"], "--add-property takes KEY=VALUE; got 'author'"),
        (["--add-tag"], "requires an argument"),
    ],
)
def test_a_change_that_says_nothing_is_wrong_usage(words: list[str], said: str, here: Call):
    assert said in refused(here("run", "update", "-r", "abd", *words), code=2)


def test_a_deleted_run_is_gone_until_it_is_restored(here: Call):
    done = here("run", "delete", "-r", "abd")
    assert (done.code, done.out) == (0, "")
    assert "`runstone run restore -r abd-second` brings it back" in done.err
    gone = refused(here("run", "show", "-r", "abd-second"))
    assert "was deleted; `runstone run restore -r abd-second` brings it back" in gone
    assert [run["runId"] for run in here("run", "list", "--filter", "deleted = true").json] == ["abd-second"]
    assert here("run", "restore", "-r", "abd").json["runId"] == "abd-second"
    assert here("run", "show", "-r", "abd").json["status"] == "Completed"
    assert "There is no run 'zzz'" in refused(here("run", "restore", "-r", "zzz"))


def test_a_locked_run_says_how_it_is_unlocked(here: Call):
    assert here("run", "lock", "-r", "abd").code == 0
    assert "is locked" in refused(here("run", "delete", "-r", "abd"))
    assert "`runstone run unlock -r abd-second`" in refused(
        here("run", "update", "-r", "abd", "--add-tag", "a")
    )
    assert here("run", "unlock", "-r", "abd").code == 0
    assert here("run", "delete", "-r", "abd").code == 0


def test_a_run_that_has_ended_stays_as_it_ended(here: Call):
    assert "is Completed already" in refused(here("run", "cancel", "-r", "abd"))
    assert "is Completed already" in refused(here("run", "fail", "-r", "abd", "--message", "no"))


def test_a_run_is_ended_from_outside(here: Call, living: subprocess.Popen[str]):
    row = here("run", "fail", "-r", "living", "-m", "the labels were wrong", "--error-code", "Labels").json
    assert (row["status"], row["error"]["code"]) == ("Failed", "Labels")
    assert row["error"]["message"] == "the labels were wrong"


def test_children_and_all_below(here: Call):
    def ids(*words: str) -> list[str]:
        return [run["runId"] for run in here("run", "children", *words).json]

    assert ids("-r", "abc-first") == ["abc-child"]
    assert ids("-r", "abc-first", "--recursive") == ["abc-grandchild", "abc-child"]
    assert ids("-r", "abc-child", "--recursive") == ["abc-grandchild"]
    assert ids("-r", "abd") == []


def test_metrics_are_summed_up_and_listed_point_by_point(here: Call):
    rows = {row["name"]: row for row in here("run", "metrics", "-r", "abc-first").json}
    assert (rows["loss"]["last"], rows["loss"]["min"], rows["loss"]["count"]) == (0.2, 0.2, 5)
    assert rows["said"]["last"] == "text"
    points = here("run", "metrics", "-r", "abc-first", "--name", "loss", "--columns", "step,value").json
    assert points[1] == {"step": 1, "value": 0.5}
    assert "no metric" in refused(here("run", "metrics", "-r", "abd", "--name", "loss")).lower()


def test_files_are_listed_and_downloaded(here: Call, tmp_path: Path):
    assert [row["name"] for row in here("run", "files", "-r", "abc-first").json] == [
        "logs/user_log.txt",
        "outputs/model.bin",
    ]
    assert "7 bytes" in here("run", "files", "-r", "abc-first", "-o", "table", "--prefix", "outputs").out
    done = here("run", "download", "-r", "abc-first", "-d", "all")
    assert (done.code, done.out) == (0, "")
    assert Path("all/outputs/model.bin").read_bytes() == b"weights"
    assert here("run", "download", "-r", "abc-first", "-d", "one", "-n", "outputs/model.bin").code == 0
    assert [str(path) for path in Path("one").rglob("*.*")] == ["one/outputs/model.bin"]
    assert "available files include" in refused(here("run", "download", "-r", "abc-first", "-n", "nope"))
    logs = here("run", "download-logs", "-r", "abc-first", "-d", "logs-of-it").json
    assert logs == [{"path": "logs-of-it/logs/user_log.txt"}]


def test_logs_are_printed_with_their_colours_and_without_what_a_terminal_would_obey(here: Call):
    done = here("run", "logs", "-r", "abc-first")
    assert done.out == "\x1b[31mred\x1b[0m and \\x1b]0;owned\\x07\n"
    assert here("run", "monitor-logs", "-r", "abc-first").out == done.out
    assert "has no logs" in here("run", "logs", "-r", "abd").err
    assert "nope.txt" in refused(here("run", "logs", "-r", "abc-first", "--name", "logs/nope.txt"))


def test_a_run_is_waited_for_and_the_exit_code_says_how_it_ended(here: Call, living: subprocess.Popen[str]):
    assert here("run", "wait", "-r", "abd", "-o", "none").code == 0
    with subprocess.Popen(
        [PROGRAM, "run", "wait", "-r", "living"], stdout=subprocess.PIPE, text=True, env=environment()
    ) as waiting:
        living.send_signal(signal.SIGINT)
        out, _ = waiting.communicate(timeout=60)
    assert (waiting.returncode, json.loads(out)["status"]) == (1, "Canceled")


def test_ctrl_c_in_the_middle_of_a_wait_ends_the_waiting_and_nothing_else(
    here: Call, living: subprocess.Popen[str]
):
    followed = interrupted("run", "logs", "-r", "living", "--follow", after="begun", stream="out")
    assert (followed.code, followed.out) == (130, "")
    assert followed.err == "runstone: Stopped looking; the run living goes on.\n"
    # nothing is printed by a wait; it is waited for its first look at the run
    with subprocess.Popen(
        [PROGRAM, "run", "wait", "-r", "living"], stderr=subprocess.PIPE, text=True, env=environment()
    ) as waiting:
        while "history.db" not in " ".join(opened(waiting.pid)):
            assert waiting.poll() is None
        signal.sigtimedwait([], 0.5)
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (130, "runstone: Stopped waiting; the run living goes on.\n")
    assert here("run", "show", "-r", "living").json["status"] == "Running"


def opened(pid: int) -> list[str]:
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            continue
    return found


def test_what_goes_on_is_watched(here: Call, living: subprocess.Popen[str]):
    done = here("watch", "--once")
    assert (done.code, done.out) == (0, "living  Running  loss=0.5\n")
    watched = interrupted("watch", "-r", "living", after="living", stream="out")
    assert (watched.code, watched.err) == (130, "runstone: Stopped watching; the runs go on.\n")
    assert here("watch", "-r", "abd").out == "abd-second  Completed\n"
    assert here("watch", "-e", "other", "--once").out == ""


def test_where_a_run_is_to_be_seen(here: Call):
    assert here("run", "open", "-r", "abd").out == "runstone://default/runs/abd-second\n"
    assert "`runstone watch -r abd-second`" in refused(here("run", "monitor-tensorboard", "-r", "abd"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such.py"], 1, "script path doesn't exist"),
        ([], 1, "Give a script, or a command"),
        (["--command", "true", "train.py"], 2, "not both: 'train.py'"),
        (
            ["-c", "nope", "make.py"],
            1,
            "name=nope: there is no .runconfig file; `runstone folder attach` writes",
        ),
        (["--ct", "nope", "make.py"], 1, "There is no compute target 'nope'"),
        (["--tag", "a", "make.py"], 2, "--tag takes KEY=VALUE"),
        (["-e", "a b", "make.py"], 1, "between 1 and 255 characters"),
        (["-t", "no/such/file", "make.py"], 2, "There is no directory"),
    ],
)
def test_what_cannot_be_submitted_leaves_no_run(words: list[str], code: int, said: str, here: Call):
    assert said in refused(here("run", "submit-script", *words), code)
    assert len(here("run", "list", "--filter", "run_id != ''", "--last", "20").json) == 4


def test_a_command_line_is_submitted_with_tags_and_its_end_is_the_exit_code(runstone: Call):
    words = ("run", "submit-script", "-e", "commands", "--tag", "try=first", "-o", "ndjson")
    done = runstone(*words, "--command", "sh -c 'echo said; exit 3'")
    assert done.code == 1
    assert "said\n" in done.out
    row = json.loads(done.out.splitlines()[-1])
    assert (row["status"], row["tags"], row["experimentName"]) == ("Failed", {"try": "first"}, "commands")
