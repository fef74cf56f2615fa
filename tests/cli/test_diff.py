"""`runstone run diff`: what differs between two runs, as text, JSON and Markdown, and its exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runstone import Workspace
from runstone.cli.main import main
from runstone.service.connect import disconnect
from tests.cli.conftest import PROGRAM, Call, Done, call

MAKE = """
import io
from pathlib import Path

from runstone import Experiment, Workspace

ws = Workspace.from_config()
experiment = Experiment(ws, "compared")
source = Path("source")
(source / "data").mkdir(parents=True)
(source / "same.py").write_text("print('same')\\n")
(source / "data" / "picture.bin").write_bytes(b"\\0\\1\\2")
(source / "train.py").write_text("".join(f"line {n}\\n" for n in range(20)))
(source / "large.txt").write_text("x" * 300_000)
common = {"capture": "none"}
a = experiment.start_logging(
    run_id="a", properties={"author": "kim", "azureml.git.commit": "1" * 40},
    tags={"kept": "yes", "old": "1"}, params={"lr": 0.1, "seed": 1}, **common
)
a.take_snapshot(source)
(source / "data" / "picture.bin").write_bytes(b"\\0\\3\\2")
(source / "train.py").write_text("".join(f"line {n if n != 7 else 'seven ```'}\\n" for n in range(20)))
(source / "large.txt").write_text("y" * 300_000)
(source / "new.py").write_text("pass\\n")
b = experiment.start_logging(
    run_id="b", properties={"author": "lee", "azureml.git.commit": "2" * 40},
    tags={"kept": "yes", "new": None}, params={"lr": 0.01, "seed": 1}, **common
)
b.take_snapshot(source)
for step in range(10):
    a.log("loss", 1 - step / 10)
    b.log("loss", 1 - step / 20)
a.log("same", 1)
b.log("same", 1)
a.log("nan", float("nan"))
b.log("nan", float("nan"))
a.log("to infinity", 1.0)
b.log("to infinity", float("inf"))
a.log("note", "slow")
b.log("note", "fast")
b.log("system.cpu", 0.5)
installed = {"a": ("numpy==1.0\\nold==1\\n", b"one"), "b": ("numpy==2.0\\nnew==1\\n", b"three")}
for run in (a, b):
    packages, weights = installed[run.id]
    run.upload_file("system/packages.txt", io.BytesIO(b"# CPython 3.11.7\\n" + packages.encode()))
    document = b'{"python": {"version": "3.%d"}, "cpus": 4}' % len(weights)
    run.upload_file("system/environment.json", io.BytesIO(document))
    run.upload_file("outputs/model.bin", io.BytesIO(weights))
    run.upload_file("outputs/equal.bin", io.BytesIO(b"equal"))
a.upload_file("outputs/only.txt", io.BytesIO(b"mine"))
a.complete()
b.fail("out of luck")
bare = experiment.start_logging(run_id="bare", **common)
bare.complete()
hostile = experiment.start_logging(
    run_id="hostile", tags={"kept": "\\u202e | ![x](http://a) `", "two": "one\\ntwo"}, **common
)
hostile.complete()
"""
SECTIONS = [
    "run",
    "params",
    "tags",
    "properties",
    "environment",
    "packages",
    "git",
    "source",
    "metrics",
    "files",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs that differ in everything, and a third that has nothing."""
    root = tmp_path_factory.mktemp("compared")
    (root / ".runstone" / "history").mkdir(parents=True)
    (root / "make.py").write_text(MAKE, encoding="utf-8")
    done = call(sys.executable, "make.py", cwd=root)
    assert done.code == 0, done.err
    return root


@pytest.fixture
def diff(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Call]:
    monkeypatch.chdir(project)

    def here(*words: str) -> Done:
        code = main(("run", "diff", *words))
        return Done(code, *capfd.readouterr())

    yield here
    disconnect(project / ".runstone" / "history")


@pytest.fixture
def found(diff: Call) -> dict[str, Any]:
    done = diff("a", "b", "-o", "json")
    assert done.code == 1
    return dict(json.loads(done.out))


def changes(found: dict[str, Any], section: str) -> dict[str, Any]:
    return {
        " ".join(filter(None, (change["name"], change.get("part")))): change
        for change in found["sections"][section]["changes"]
    }


def sides(found: dict[str, Any], section: str) -> dict[str, Any]:
    return {name: (one.get("a", "-"), one.get("b", "-")) for name, one in changes(found, section).items()}


def test_a_run_does_not_differ_from_itself(diff: Call) -> None:
    for form in ("text", "markdown"):
        assert diff("a", "a", "-o", form) == Done(0, "", "")
    alone = diff("a", "a", "-o", "json").json
    assert (alone["same"], alone["sections"]) == (True, {})


def test_everything_that_differs_has_its_section(found: dict[str, Any]) -> None:
    assert list(found["sections"]) == SECTIONS
    assert found["a"] == {"runId": "a", "experimentName": "compared", "runNumber": 1}
    assert found["same"] is False


def test_values_stand_side_by_side(found: dict[str, Any]) -> None:
    assert sides(found, "run") == {"error": ("-", "out of luck"), "status": ("Completed", "Failed")}
    assert sides(found, "params") == {"lr": ("0.1", "0.01")}
    assert sides(found, "tags") == {"new": ("-", None), "old": ("1", "-")}
    assert sides(found, "properties") == {"author": ("kim", "lee")}
    assert sides(found, "git") == {"commit": ("1" * 40, "2" * 40)}
    assert sides(found, "environment") == {"python.version": ("3.3", "3.5")}
    assert sides(found, "packages") == {"new": ("-", "1"), "numpy": ("1.0", "2.0"), "old": ("1", "-")}


def test_metrics_have_their_relative_change(found: dict[str, Any]) -> None:
    metrics = changes(found, "metrics")
    assert list(metrics) == [
        "loss last",
        "loss min",
        "note value",
        "to infinity last",
        "to infinity min",
        "to infinity max",
    ]
    assert metrics["loss last"]["relative"] == pytest.approx((0.55 - 0.1) / 0.1)
    assert metrics["to infinity last"]["b"] == "Infinity"
    assert "relative" not in metrics["to infinity last"]
    assert (metrics["note value"]["a"], metrics["note value"]["b"]) == ("slow", "fast")


def test_source_files_are_compared_line_by_line(found: dict[str, Any]) -> None:
    source = changes(found, "source")
    assert list(source) == ["data/picture.bin", "large.txt", "new.py", "train.py"]
    assert source["train.py"]["diff"][:3] == ["--- A/train.py", "+++ B/train.py", "@@ -5,7 +5,7 @@"]
    assert {"-line 7", "+line seven ```"} < set(source["train.py"]["diff"])
    assert source["data/picture.bin"]["note"] == "binary files differ"
    assert source["large.txt"]["note"] == "not compared line by line: larger than 256 KiB"
    assert "a" not in source["new.py"]
    assert source["new.py"]["b"]["size"] == 5


def test_files_are_compared_by_their_hashes(found: dict[str, Any]) -> None:
    files = changes(found, "files")
    assert list(files) == ["outputs/model.bin", "outputs/only.txt"]
    assert files["outputs/model.bin"]["a"]["size"] == 3
    assert len(files["outputs/model.bin"]["b"]["sha256"]) == 64


def test_what_one_side_lacks_altogether_is_said(diff: Call) -> None:
    sections = json.loads(diff("a", "bare", "-o", "json").out)["sections"]
    assert sections["packages"] == {
        "note": "Only A has a list of packages (2 entries).",
        "changes": [],
    }
    assert sections["source"]["note"] == "Only A has its source kept (4 files)."
    assert sections["metrics"]["note"] == "Only A has metrics."
    assert sections["files"]["note"] == "Only A has files."
    assert "Only B has its source kept (4 files)." in diff("bare", "a").out


def test_text_is_for_people(diff: Call) -> None:
    done = diff("a", "b")
    assert done.code == 1
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[:2] == ["--- A a (compared, run 1)", "+++ B b (compared, run 2)"]
    assert "  lr: 0.1 -> 0.01" in lines
    assert "  old: only in A: 1" in lines
    assert "  new: only in B: none" in lines
    assert "  loss last: 0.09999999999999998 -> 0.55 (+450 %)" in lines
    assert "    +line seven ```" in lines


def test_markdown_cannot_be_broken_by_what_is_in_it(diff: Call) -> None:
    text = diff("a", "b", "-o", "markdown").out
    assert "| lr | 0.1 | 0.01 |  |" in text
    assert "\n````diff\n" in text
    hostile = diff("a", "hostile", "-o", "markdown").out
    assert "\\| !\\[x\\](http://a) \\`" in hostile
    assert "\u202e" not in hostile
    assert "\n| two |" in hostile


def test_json_spells_what_a_terminal_would_obey(diff: Call) -> None:
    text = diff("a", "hostile", "-o", "json").out
    assert "\u202e" not in text
    assert "\\u202e" in text


def test_it_is_the_same_however_often_it_is_asked(diff: Call) -> None:
    for form in ("text", "json", "markdown"):
        assert len({diff("a", "b", "-o", form).out for _ in range(3)}) == 1


def test_trouble_is_told_from_a_difference(diff: Call, tmp_path: Path) -> None:
    for words in (("a", "no-such-run"), ("a", "b", "-w", "nowhere"), ("a",), ("a", "b", "-o", "xml")):
        done = diff(*words)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("runstone: ")
        assert done.err.count("\n") == 1
    done = diff("a", "b", "--path", str(tmp_path))
    assert done.code == 2
    assert "There is no history yet" in done.err


def test_the_python_face_says_the_same(diff: Call, found: dict[str, Any]) -> None:
    workspace = Workspace.from_config()
    a, b = workspace.get_run("a"), workspace.get_run("b")
    assert a.diff(b).to_dict() == found == a.diff("b").to_dict()
    assert not a.diff(a)
    assert a.diff(b).to_text() == diff("a", "b").out.rstrip("\n")


def test_two_children_of_the_demo_differ_the_same_way_twice(history: Path) -> None:
    assert call(PROGRAM, "demo").code == 0
    first, second, *_ = call(PROGRAM, "run", "list", "--filter", "depth = 1 and status = completed").json
    words = (PROGRAM, "run", "diff", first["runId"], second["runId"])
    one, two = call(*words), call(*words)
    assert one.code == two.code == 1
    assert one == two
    assert "accuracy last: " in one.out
