"""What is captured when a run starts, in real processes in odd environments too (b28, c21, c22)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from runstone.sdk.capture import Capture, Captured, Subject, capture, capture_at_start, capture_behind
from runstone.sdk.capture.packages import installed_packages, packages_text
from runstone.sdk.capture.text import printable

SRC = Path(__file__).parents[2] / "src"
CANARY = "Kx7" + "Qm2Vb9Lr4Tz8"
NOTHING = {
    "source": False,
    "git": False,
    "diff": False,
    "packages": False,
    "environment": False,
    "system_metrics": False,
}
# Prints what was captured as JSON, on the standard output or to the file that CAPTURED names.
TELL = """
import json, os
from runstone.sdk.capture import Capture, capture
found = capture(Capture(), environ=os.environ)
told = {
    "properties": dict(found.properties),
    "arguments": list(found.arguments),
    "files": {name: content.decode("utf-8", "replace") for name, content in found.files.items()},
    "notes": list(found.notes),
}
with open(os.environ.get("CAPTURED", 1), "w", encoding="utf-8") as file:
    json.dump(told, file)
"""

Started = Callable[..., Any]


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """Runs a script, or Python with other arguments, in a bare environment, and answers what it captured."""

    def start(*arguments: str, code: str = TELL, environ: dict[str, str] | None = None) -> Any:
        (tmp_path / "train.py").write_text(code)
        given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), **(environ or {})}
        command = [sys.executable, *(arguments or ("train.py",))]
        done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, check=False, input=b"")
        assert (done.returncode, done.stderr.decode()) == (0, "")
        return json.loads(done.stdout)

    return start


def environment_of(told: Any) -> Any:
    return json.loads(told["files"]["system/environment.json"])


def test_a_script_is_told_with_its_path_arguments_and_text(started, tmp_path):
    told = started("train.py", "--epochs", "3", "--password", CANARY)
    assert told["properties"]["runstone.source.kind"] == "script"
    assert told["properties"]["runstone.source.script"] == str(tmp_path / "train.py")
    assert told["properties"]["runstone.source.command"].endswith("train.py --epochs 3 --password ***")
    assert told["arguments"] == ["--epochs", "3", "--password", "***"]
    assert told["files"]["system/script/train.py"] == TELL


def test_a_module_is_told_by_its_name(started, tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "pack" / "__main__.py").write_text(TELL)
    for name in ("pack", "pack.__main__"):
        told = started("-m", name)
        assert told["properties"]["runstone.source.kind"] == "module"
        assert told["properties"]["runstone.source.module"] == "pack"
        assert told["properties"]["runstone.source.script"] == str(tmp_path / "pack" / "__main__.py")


def test_code_on_the_command_line_is_told_as_such_with_its_lines_spelt_out(started):
    properties = started("-c", TELL, "x")["properties"]
    assert properties["runstone.source.kind"] == "command"
    assert "runstone.source.script" not in properties
    assert "import json, os\\nfrom" in properties["runstone.source.command"]


def test_code_on_the_standard_input_is_told_as_such(tmp_path):
    done = subprocess.run(
        [sys.executable, "-"],
        input=TELL.encode(),
        cwd=tmp_path,
        env={"PYTHONPATH": str(SRC), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["properties"]["runstone.source.kind"] == "stdin"


def test_a_prompt_is_told_as_such(tmp_path):
    done = subprocess.run(
        [sys.executable, "-i", "-q", "-c", "x = 1"],
        input=f"exec({TELL!r})\n".encode(),
        cwd=tmp_path,
        env={"PYTHONPATH": str(SRC), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["properties"]["runstone.source.kind"] == "repl"
    assert told["arguments"] == []


def test_a_notebook_is_told_with_the_path_that_its_server_names(started, tmp_path):
    (tmp_path / "IPython.py").write_text(
        "class Shell:\n    kernel = 1\n\ndef get_ipython():\n    return Shell()\n"
    )
    told = started("-c", "import IPython\n" + TELL, environ={"JPY_SESSION_NAME": str(tmp_path / "a.ipynb")})
    assert told["properties"]["runstone.source.kind"] == "notebook"
    assert told["properties"]["runstone.source.script"] == str(tmp_path / "a.ipynb")
    assert "runstone.source.command" not in told["properties"]


def test_a_command_that_pip_installed_belongs_to_the_directory_it_was_called_in(started, tmp_path):
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tmp_path, check=True)
    installed = tmp_path / "elsewhere" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "tool.py").write_text(TELL)
    told = started(str(installed / "tool.py"))
    assert told["properties"]["azureml.git.branch"] == "main"


def test_a_script_that_is_still_to_be_started_is_told_in_place_of_this_process(tmp_path):
    (tmp_path / "job.py").write_text("print(1)\n")
    found = capture(
        Capture(), script=tmp_path / "job.py", arguments=["--n", 3, "--token", CANARY], environ={}
    )
    assert found.arguments == ("--n", "3", "--token", "***")
    assert found.properties["runstone.source.script"] == str(tmp_path / "job.py")
    assert found.files["system/script/job.py"] == b"print(1)\n"


def test_a_script_whose_name_no_system_could_keep_is_kept_under_another(tmp_path):
    (tmp_path / "CON.py").write_text("print(1)\n")
    found = capture(Capture(git=False), script=tmp_path / "CON.py", environ={})
    assert found.files["system/script/script"] == b"print(1)\n"


def test_arguments_that_are_no_text_are_spelt_out(started):
    told = started("train.py", "\udcff\n\x1b[31m", "é")
    assert told["arguments"] == ["\\xff\\n\\x1b[31m", "é"]


def test_no_canary_is_left_anywhere(started, tmp_path):
    (tmp_path / "settings.env").write_text("HOST=db\n")
    identity = ["-c", "user.name=k", "-c", "user.email=k@example.com"]
    address = f"https://kim:{CANARY}@example.com/r.git"
    for command in (
        ["init", "-q"],
        ["add", "."],
        [*identity, "commit", "-q", "-m", "x"],
        ["remote", "add", "origin", address],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "settings.env").write_text(f"HOST=db\nDB_PASSWORD={CANARY}\n")
    told = started(
        *("train.py", "--api-key", CANARY, f"--token={CANARY}", f"db.password={CANARY}"),
        f"https://h/x?access_token={CANARY}",
        code=f"api_key = '{CANARY}'\n{TELL}",
        environ={"SLURM_JWT": CANARY, "MY_SECRET": CANARY, "NCCL_AUTH_TOKEN": CANARY, "SLURM_JOB_ID": "7"},
    )
    assert CANARY not in json.dumps(told)
    assert told["properties"]["azureml.git.repository_uri"] == "https://***@example.com/r.git"
    assert "+DB_PASSWORD=***" in told["files"]["system/git.diff"]
    assert told["files"]["system/script/train.py"].startswith("api_key = '***'\n")
    variables = environment_of(told)["variables"]
    assert (variables["SLURM_JWT"], variables["SLURM_JOB_ID"]) == ("***", "7")
    assert "MY_SECRET" not in variables


def test_the_machine_is_told(started):
    told = started(environ={"CUDA_VISIBLE_DEVICES": "0,1", "RANK": "3", "HOME": "/nowhere", "EDITOR": "vi"})
    environment = environment_of(told)
    assert environment["host"] == socket.gethostname()
    assert environment["python"]["version"] == told["properties"]["runstone.python"]
    assert environment["cpus"] <= environment["machine_cpus"]
    assert environment["memory_mib"] > 0
    assert environment["variables"]["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert "EDITOR" not in environment["variables"]


def test_the_user_is_found_without_home_names_or_an_entry_in_the_user_database(started):
    alone = "import json, runstone.sdk.capture, os\nif os.getuid() == 0:\n    os.setuid(54321)\n"
    told = started(code=alone + TELL)
    user = told["properties"]["runstone.user"]
    assert user == ("uid 54321" if os.getuid() == 0 else user)
    assert user
    assert environment_of(told)["user"] == user


def test_the_user_named_by_the_environment_is_believed(started):
    assert started(environ={"USER": "kim"})["properties"]["runstone.user"] == "kim"


def test_nothing_is_asked_of_the_network(started):
    deaf = """
import socket
def refuse(*given):
    raise OSError("Name or service not known")
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getfqdn"):
    setattr(socket, name, refuse)
"""
    assert started(code=deaf + TELL)["properties"]["runstone.host"] == socket.gethostname()


def test_an_optimised_interpreter_captures_the_same(started):
    plain, optimised = started("train.py"), started("-OO", "train.py")
    assert optimised["files"] == plain["files"]
    assert optimised["properties"].keys() == plain["properties"].keys()


def test_closed_standard_streams_do_not_matter(tmp_path):
    (tmp_path / "train.py").write_text(TELL)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" train.py <&- >&- 2>&-', sys.executable],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), "CAPTURED": str(tmp_path / "told.json")},
        check=False,
    )
    assert done.returncode == 0
    assert json.loads((tmp_path / "told.json").read_text())["properties"]["azureml.git.branch"] == "main"


def test_a_current_directory_that_is_gone_does_not_matter(started):
    # a file, not -c: with that, CPython 3.13.0 itself fails in a directory that is gone
    told = started(
        code="import os, tempfile\npath = tempfile.mkdtemp()\nos.chdir(path)\nos.rmdir(path)\n" + TELL
    )
    assert environment_of(told)["directory"] is None


def test_the_packages_are_those_that_metadata_knows(tmp_path):
    known = {
        dist.metadata["Name"].lower().replace("_", "-").replace(".", "-") for dist in metadata.distributions()
    }
    found = installed_packages()
    assert set(found) == known
    assert found["pytest"] == metadata.version("pytest")
    assert list(found) == sorted(found)


def test_packages_are_named_once_and_read_however_they_were_installed(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (
        first / "Some_Package-1.0.dist-info",
        second / "some.package-2.0.dist-info",
        second / "old-0.3-py3.11.egg-info",
        second / "~alf-1.0.dist-info",
        second / "linked.egg-info",
        second / "empty.egg-info",
    ):
        folder.mkdir(parents=True)
    (second / "linked.egg-info" / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nVersion: 4.5.dev1\n\nVersion: no\n"
    )
    (second / "flat-7.egg-info").write_text("Version: 8\n")
    found = installed_packages([str(first), str(second), str(tmp_path / "none"), "\0"])
    assert found == {"flat": "7", "linked": "4.5.dev1", "old": "0.3", "some-package": "1.0"}
    lines = packages_text(found).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "flat==7",
        "linked==4.5.dev1",
        "old==0.3",
        "some-package==1.0",
    ]


@pytest.mark.parametrize(
    ("text", "off"),
    [
        (None, []),
        ("", []),
        ("all", []),
        ("1", []),
        ("none", list(NOTHING)),
        ("0", list(NOTHING)),
        ("OFF", list(NOTHING)),
        ("-git", ["git"]),
        ("-git,-packages", ["git", "packages"]),
        (" -git ; -system-metrics ", ["git", "system_metrics"]),
        ("all,-diff", ["diff"]),
        ("none,+git", [name for name in NOTHING if name != "git"]),
        ("git,packages", [name for name in NOTHING if name not in ("git", "packages")]),
        ("+git", []),
    ],
)
def test_a_text_chooses_what_is_captured(text, off):
    assert Capture.chosen(text) == Capture(**{name: False for name in off})


@pytest.mark.parametrize(
    ("text", "expected"), [("nonee", Capture(**NOTHING)), ("-git,-gti", Capture(git=False))]
)
def test_a_word_that_is_not_known_is_warned_of_and_less_is_captured(text, expected):
    with pytest.warns(UserWarning, match=r"does not know '(nonee|-gti)'"):
        assert Capture.chosen(text) == expected


def test_a_switch_given_by_name_beats_the_text():
    assert Capture.chosen("none", git=True) == Capture(**{**NOTHING, "git": True})
    with pytest.raises(TypeError):
        Capture.chosen("", gti=True)


def test_what_is_switched_off_is_not_captured(tmp_path):
    assert capture(Capture(**NOTHING), environ=os.environ) == Captured()
    (tmp_path / "job.py").write_text("print(1)\n")
    for name, files in {
        "source": {"system/script/job.py"},
        "packages": {"system/packages.txt"},
        "environment": {"system/environment.json"},
    }.items():
        options = Capture(**{**NOTHING, name: True})
        assert set(capture(options, script=tmp_path / "job.py", environ={}).files) == files


def test_both_halves_together_are_the_whole(tmp_path):
    (tmp_path / "job.py").write_text("print(1)\n")
    subject = Subject.of(tmp_path / "job.py", ["x"], environ={"USER": "kim"})
    first, second = capture_at_start(Capture(), subject), capture_behind(Capture(), subject)
    assert first.files == {}
    assert first | second == capture(
        Capture(), script=tmp_path / "job.py", arguments=["x"], environ={"USER": "kim"}
    )


def test_every_property_is_a_value_that_a_run_can_keep(started):
    told = started("train.py", "x" * 20_000, "a\x00b".replace("\x00", "\n"))
    for value in told["properties"].values():
        assert len(value) <= 5_000
        assert value.isprintable()


def test_printable_keeps_text_and_spells_the_rest_out():
    assert printable("훈련 é 🙂") == "훈련 é 🙂"
    assert printable("a\x00\x1b\x85\udcff\ud800\n") == "a\\x00\\x1b\\x85\\xff\\ud800\\n"
    assert printable("x" * 10, limit=5) == "xxxx…"
