"""b28: Python -O, no HOME, no terminal, no /dev/shm, read-only homes, a user and a host without a name."""

from __future__ import annotations

import os
import shutil

from tests.scripts import BEGINNING, HUMBLE, Stage

WORK = """
run = begin(display_name="bare")
with run.child_run() as child:
    child.log("loss", 0.5)
for i in range(1_000):
    run.log("loss", i / 7, step=i)
run.tag("key", "value")
run.complete()
print(run.status)
"""
# As in a container that was given a number and no name: nothing may ask for more.
NOBODY = """
import getpass, pwd, socket

def nobody(*_):
    raise KeyError("getpwuid(): uid not found: 12345")

pwd.getpwuid = pwd.getpwnam = nobody

def unknown(*_, **__):
    raise socket.gaierror(-2, "Name or service not known")

socket.getaddrinfo = socket.gethostbyname = socket.gethostbyaddr = socket.gethostbyname_ex = unknown
for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
"""
ALL = {"RUNSTONE_CAPTURE": "all"}


def works(stage: Stage, script: str, **more: object) -> str:
    ended = stage.run(script, **more)
    assert ended.returncode == 0, ended.stderr
    assert "Completed" in ended.stdout
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_it_works_without_assertions(stage: Stage):
    assert works(stage, WORK, options=["-OO"]) == ""
    assert len(stage.see().get_metrics()["loss"]) == 1_000


def test_it_works_isolated_from_the_environment(stage: Stage):
    path = f"import sys\nsys.path.insert(0, {str(os.environ.get('PYTHONPATH', ''))!r})\n"
    assert works(stage, path + WORK, options=["-X", "utf8=0", "-W", "error", "-X", "dev"]) == ""


def test_it_works_with_no_name_for_the_user_and_none_for_the_host(stage: Stage):
    assert works(stage, NOBODY + WORK, environment=ALL) == ""
    assert stage.see().status == "Completed"


def test_without_home_the_history_is_found_all_the_same(stage: Stage):
    away = {"HOME": None, "RUNSTONE_HOME": None, "RUNSTONE_HISTORY": None, "XDG_DATA_HOME": None}
    script = NOBODY + WORK + "print(run.experiment.workspace.location)\n"
    ended = stage.run(script, environment=away)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith(str(stage.folder))


def test_a_read_only_home_is_one_clear_message(stage: Stage):
    home = stage.folder / "home"
    home.chmod(0o500)
    away = {"HOME": str(home), "RUNSTONE_HOME": None, "RUNSTONE_HISTORY": None, "XDG_DATA_HOME": None}
    ended = stage.run(HUMBLE + WORK, environment=away)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert "cannot be made (Permission denied); set RUNSTONE_HOME or RUNSTONE_HISTORY" in last
    assert ended.stderr.count("Traceback") == 1


def test_a_read_only_working_directory_is_none_of_our_business(stage: Stage):
    work = stage.folder / "work"
    work.mkdir(mode=0o500)
    assert works(stage, HUMBLE + WORK, cwd=work, environment=ALL) == ""


def test_a_history_that_cannot_be_written_is_one_clear_message(stage: Stage):
    stage.run(WORK)
    for file in stage.history.glob("history.db*"):
        file.chmod(0o400)
    stage.history.chmod(0o500)
    ended = stage.run(HUMBLE + WORK)
    stage.history.chmod(0o700)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert "cannot be written" in last
    assert "check its owner and permissions" in last


def test_no_terminal_and_closed_streams_do_not_matter(stage: Stage):
    # what a library prints goes nowhere, and not into a file of ours that was given the number
    printing = "for stream in (0, 1, 2):\n    with suppress(OSError):\n        os.write(stream, b'?' * 99)\n"
    script = "from contextlib import suppress\n" + WORK.replace("run.tag", printing + "run.tag")
    script = script.replace("print(run.status)", "os._exit(5)")
    path = stage.folder / "closed.py"
    path.write_text(BEGINNING + script)
    ended = stage.run(
        """
import subprocess
closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "closed.py"]
sys.exit(subprocess.call(closed))
""",
        environment=ALL,
    )
    assert ended.returncode == 5, ended.stderr
    assert stage.see().status == "Completed"
    assert len(stage.see().get_metrics()["loss"]) == 1_000


def test_without_shared_memory_and_without_a_temporary_directory(stage: Stage):
    # nothing of ours needs either: /dev/shm is not named anywhere
    shutil.rmtree(stage.folder / "tmp")
    hidden = """
before = os.open
def refusing(path, *more, **named):
    if str(path).startswith("/dev/shm"):
        raise FileNotFoundError(2, "No such file or directory", path)
    return before(path, *more, **named)
os.open = refusing
"""
    assert works(stage, hidden + WORK, environment={**ALL, "TMPDIR": str(stage.folder / "tmp")}) == ""


def test_an_ascii_locale_takes_every_name(stage: Stage):
    script = "run = begin(display_name='한국어 모델')\nrun.log('손실', 0.5)\nrun.tag('이름', '값')\n"
    ended = stage.run(script, environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert stage.see().get_metrics() == {"손실": 0.5}
    assert stage.see().display_name == "한국어 모델"


def test_a_strange_directory_is_a_directory(stage: Stage):
    strange = stage.folder / "a b#c%20?한 'x'"
    ended = stage.run(WORK, environment={"RUNSTONE_HISTORY": str(strange)})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (strange / "history.db").exists()
