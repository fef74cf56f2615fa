"""b45, c8, c9, c10: whatever a file is called, its name never becomes a path of the history, or leads out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstone import Experiment, Workspace
from runstone.model.errors import Invalid, NotFound, UserErrorException
from runstone.service import folders
from tests.histories import KINDS, RUNS, Filed, filed
from tests.hostile_names import ACCEPTED, REFUSED

RUN = RUNS[0]


@pytest.fixture(params=KINDS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filed]:
    with filed(request.param, tmp_path, request) as found:
        yield found


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_hostile_name_is_refused_by_every_call_and_nothing_is_kept(files: Filed, tmp_path: Path) -> None:
    before = everything(tmp_path)
    calls = (files.artifacts.get, files.artifacts.versions, files.artifacts.open, files.artifacts.delete)
    for name in REFUSED:
        with pytest.raises(Invalid):
            files.artifacts.upload(RUN, name, content=io.BytesIO(b"x"))
        for call in calls:
            with pytest.raises(Invalid):
                call(RUN, name)
    assert files.artifacts.list(RUN) == ()
    assert everything(tmp_path) == before


def test_no_name_that_is_accepted_becomes_a_path(files: Filed) -> None:
    for number, name in enumerate(ACCEPTED):
        files.artifacts.upload(RUN, name, content=io.BytesIO(b"%d" % number))
    assert files.kept
    assert [path for path in files.kept if not re.fullmatch(r"([0-9a-f]{2})/\1[0-9a-f]{62}", path)] == []
    listed = [artifact.name for artifact in files.artifacts.list(RUN)]
    assert listed == sorted(set(ACCEPTED.values()))


def test_what_is_kept_under_an_odd_name_is_found_under_it(files: Filed) -> None:
    for name in ACCEPTED:
        files.artifacts.upload(RUN, name, content=io.BytesIO(b"x"))
    for name, kept in ACCEPTED.items():
        assert files.artifacts.get(RUN, name) == files.artifacts.get(RUN, kept)
        files.artifacts.open(RUN, name).close()
    for name in sorted(set(ACCEPTED.values())):
        files.artifacts.delete(RUN, name)
        with pytest.raises(NotFound):
            files.artifacts.get(RUN, name)
    assert files.artifacts.list(RUN) == ()


def test_a_hostile_run_is_no_path_either(files: Filed) -> None:
    for run in ("../first", "ws/../first", "ws/first/../../x", "ws\\first", "/etc/passwd", "", "ws", "ws/"):
        with pytest.raises(NotFound):
            files.artifacts.upload(run, "x", content=io.BytesIO(b"x"))
    assert files.kept == []


def test_a_history_with_hostile_names_cannot_make_a_download_leave_its_directory(tmp_path: Path) -> None:
    """A history that somebody else wrote may say anything, and the client looks again."""
    inside = tmp_path / "deep" / "down" / "inside"
    inside.mkdir(parents=True)
    refused = set()
    for name in REFUSED:
        try:
            folders.save(io.BytesIO(b"evil"), inside / name, inside=inside)
        except Invalid:
            refused.add(name)
    assert sorted(path for path in everything(tmp_path) if not path.startswith("deep/down/inside/")) == [
        "deep",
        "deep/down",
        "deep/down/inside",
    ]
    # pathlib drops single dots and slashes at the end, and on this side a '~' is a letter like others
    assert {name for name in REFUSED.keys() - refused if not set(name) & set("~\uff5e")} <= {
        "outputs/./x",
        "x/",
        "%7e/x",
    }


def test_a_script_cannot_upload_a_hostile_name_and_gets_ordinary_ones_back(history: Path) -> None:
    (history.parent.parent / "source").write_bytes(b"content")
    with Experiment(Workspace.from_config(), "names").start_logging() as run:
        before = run.get_file_names()
        for name in REFUSED:
            with pytest.raises(UserErrorException):
                run.upload_file(name, "source")
            with pytest.raises(UserErrorException):
                run.download_file(name, "target")
        assert run.get_file_names() == before
        kept = sorted({name for name in ACCEPTED.values() if len(name) < 255})
        for name in kept:
            run.upload_file(f"given/{name}", "source")
        run.download_files("given", "out", append_prefix=False)
    out = history.parent.parent / "out"
    assert [path for path in kept if (out / path).read_bytes() != b"content"] == []
    assert sum(path.is_file() for path in out.rglob("*")) == len(kept)
    assert not (history.parent.parent / "target").exists()
