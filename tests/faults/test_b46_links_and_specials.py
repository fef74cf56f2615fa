"""b46, c11: links, FIFOs, devices and sockets where files are uploaded from and downloaded to."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstone.model.errors import Invalid, Unreadable, UserErrorException
from runstone.service import folders


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


def fill(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def walked(root: Path) -> tuple[list[str], list[str]]:
    """The names of the files, and the notes about the rest, with the directory's own path left out."""
    notes: list[str] = []
    names = [name for name, _ in folders.walk_folder(root, note=notes.append)]
    return names, [note.replace(f"{os.path.realpath(root)}/", "") for note in notes]


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# What is uploaded


def test_files_come_in_the_order_of_their_names(root: Path) -> None:
    fill(root, "b", "a/z", "a/B", "a/b", "a.txt", "한국어/모델.bin", "c d/e f", ".hidden")
    names, notes = walked(root)
    assert names == [".hidden", "a/B", "a/b", "a/z", "a.txt", "b", "c d/e f", "한국어/모델.bin"]
    assert notes == []
    assert [path.read_text() for _, path in folders.walk_folder(root)] == names


def test_an_empty_directory_has_no_files(root: Path) -> None:
    (root / "empty").mkdir()
    assert walked(root) == ([], [])


@pytest.mark.parametrize("what", ["nosub", "file"])
def test_what_is_no_directory_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.chdir(root)
    fill(root, "file")
    with pytest.raises(UserErrorException) as caught:
        folders.walk_folder(what)
    assert caught.value.message == f"Cannot upload path: {what} since it is not a valid directory."


def test_links_inside_are_followed(root: Path) -> None:
    fill(root, "checkpoints/10/model", "checkpoints/20/model")
    (root / "latest").symlink_to("checkpoints/20")
    (root / "best").symlink_to("checkpoints/10/model")
    (root / "absolute").symlink_to(root / "checkpoints" / "10" / "model")
    names, notes = walked(root)
    assert names == ["absolute", "best", "checkpoints/10/model", "checkpoints/20/model", "latest/model"]
    assert notes == []
    assert dict(folders.walk_folder(root))["latest/model"].read_text() == "checkpoints/20/model"


def test_a_directory_may_be_named_by_a_link(root: Path, tmp_path: Path) -> None:
    fill(root, "a", "b/c")
    (tmp_path / "link").symlink_to(root)
    assert walked(tmp_path / "link") == (["a", "b/c"], [])


def test_links_out_are_not_followed(root: Path, outside: Path) -> None:
    fill(root, "a")
    (root / "file").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "relative").symlink_to("../outside/secret")
    (root / "passwd").symlink_to("/etc/passwd")
    (root / "hop").symlink_to("folder/secret")
    (root.parent / "data2").mkdir()
    (root / "sibling").symlink_to("../data2")
    names, notes = walked(root)
    assert names == ["a"]
    assert [note.split(" is not uploaded: it is a link out of the directory, to /")[0] for note in notes] == [
        "file",
        "folder",
        "hop",
        "passwd",
        "relative",
        "sibling",
    ]


def test_links_that_lead_nowhere_are_skipped(root: Path) -> None:
    fill(root, "a")
    (root / "dangling").symlink_to("gone")
    (root / "self").symlink_to("self")
    (root / "ping").symlink_to("pong")
    (root / "pong").symlink_to("ping")
    names, notes = walked(root)
    assert names == ["a"]
    assert len(notes) == 4
    assert all(" is not uploaded: it leads nowhere (" in note for note in notes)


def test_links_in_a_circle_are_skipped(root: Path) -> None:
    fill(root, "a", "sub/b")
    (root / "sub" / "up").symlink_to("..")
    (root / "sub" / "here").symlink_to(".")
    (root / "again").symlink_to("sub")
    names, notes = walked(root)
    assert names == ["a", "again/b", "sub/b"]
    assert sorted(notes) == [
        "again/here is not uploaded: links go in a circle here.",
        "again/up is not uploaded: links go in a circle here.",
        "sub/here is not uploaded: links go in a circle here.",
        "sub/up is not uploaded: links go in a circle here.",
    ]


def test_links_that_multiply_come_to_an_end(root: Path) -> None:
    for number in range(40):
        fill(root, f"d{number:02}/file")
        (root / f"d{number:02}" / "left").symlink_to(f"../d{number + 1:02}")
        (root / f"d{number:02}" / "right").symlink_to(f"../d{number + 1:02}")
    names, notes = walked(root)
    assert {f"d{number:02}/file" for number in range(40)} <= set(names)
    assert len(names) <= 40 * (folders.MOST_BY_LINK + 1)
    assert any(f"by way of {folders.MOST_BY_LINK} links already" in note for note in notes)


def test_what_is_no_file_is_skipped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "a")
    os.mkfifo(root / "fifo")
    (root / "to-fifo").symlink_to("fifo")
    monkeypatch.chdir(root)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        names, notes = walked(root)
    assert names == ["a"]
    assert notes == [
        "fifo is not uploaded: it is a FIFO.",
        "socket is not uploaded: it is a socket.",
        "to-fifo is not uploaded: it is a FIFO.",
    ]


def test_devices_are_skipped() -> None:
    notes: list[str] = []
    names = [name for name, _ in folders.walk_folder("/dev", note=notes.append)]
    assert {"null", "zero", "urandom", "tty"} & set(names) == set()
    assert "/dev/null is not uploaded: it is a device." in notes


def test_hard_links_are_files_like_others(root: Path) -> None:
    fill(root, "a")
    os.link(root / "a", root / "b")
    assert walked(root) == (["a", "b"], [])


def test_names_that_are_refused_are_noted(root: Path) -> None:
    fill(root, "a", "CON", "trailing.", "sub/aux.txt", "%2e%2e%2fx")
    names, notes = walked(root)
    assert names == ["a"]
    assert [note.partition(" is not uploaded: ")[0] for note in notes] == [
        "%2e%2e%2fx",
        "CON",
        "sub/aux.txt",
        "trailing.",
    ]


def test_names_that_are_not_utf8_are_uploaded_once_each_or_noted(root: Path) -> None:
    for name in (b"caf\xe9", b"caf\xe8", b"\xc0\xae\xc0\xae"):
        with open(os.path.join(os.fsencode(root), name), "wb"):
            pass
    names, notes = walked(root)
    assert names == ["caf\ufffd"]
    assert len(notes) == 2
    assert all(note.isprintable() for note in notes)


def test_a_name_with_a_back_slash_does_not_hide_another(root: Path) -> None:
    fill(root, "a/b")
    (root / "a\\b").write_text("another")
    names, notes = walked(root)
    assert names == ["a/b"]
    assert notes == ["a\\b is not uploaded: another file is called 'a/b', too."]


def test_a_deep_directory_is_walked(root: Path) -> None:
    fill(root, "d/" * 300 + "file")
    names, notes = walked(root)
    assert names == ["d/" * 300 + "file"]
    assert notes == []


@pytest.mark.parametrize(
    ("kind", "said"), [("fifo", "a FIFO"), ("folder", "a directory"), ("device", "a device")]
)
def test_only_a_regular_file_is_opened(root: Path, kind: str, said: str) -> None:
    os.mkfifo(root / "fifo")
    (root / "folder").mkdir()
    with pytest.raises(Invalid, match=f"is {said}; only regular files are uploaded"):
        folders.opened("/dev/null" if kind == "device" else root / kind)


def test_a_file_is_opened(root: Path) -> None:
    fill(root, "a")
    with folders.opened(root / "a") as stream:
        assert stream.read() == b"a"
    with pytest.raises(FileNotFoundError):
        folders.opened(root / "missing")


# Where it is downloaded to


def save(target: Path, inside: Path | None = None, content: bytes = b"content") -> Path:
    return folders.save(io.BytesIO(content), target, inside=inside)


def test_a_file_is_written_with_its_directories(root: Path) -> None:
    assert save(root / "a" / "b" / "c.txt") == root / "a" / "b" / "c.txt"
    assert save(root / "d" / "한국어" / "c.txt", root).read_bytes() == b"content"
    assert everything(root) == ["a", "a/b", "a/b/c.txt", "d", "d/한국어", "d/한국어/c.txt"]


def test_a_relative_target_is_in_the_current_directory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    save(Path("x.txt"))
    save(Path("sub/y.txt"), Path("sub"))
    save(Path("z.txt"), Path("."))
    assert everything(root) == ["sub", "sub/y.txt", "x.txt", "z.txt"]


def test_a_file_that_is_there_is_replaced(root: Path) -> None:
    fill(root, "x.txt")
    save(root / "x.txt", root, b"new")
    assert (root / "x.txt").read_bytes() == b"new"
    assert everything(root) == ["x.txt"]


def test_a_hard_link_is_not_written_through(root: Path, outside: Path) -> None:
    os.link(outside / "secret", root / "x.txt")
    save(root / "x.txt", root, b"new")
    assert (outside / "secret").read_text() == "secret"


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("leads_to", ["secret", "new"])
def test_a_link_is_not_written_through(root: Path, outside: Path, inside: bool, leads_to: str) -> None:
    (root / "x.txt").symlink_to(outside / leads_to)
    with pytest.raises(Invalid, match=r"'x\.txt' is a symbolic link; move it away"):
        save(root / "x.txt", root if inside else None)
    assert everything(outside) == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    assert everything(root) == ["x.txt"]


def test_no_directory_below_the_chosen_one_may_be_a_link(root: Path, outside: Path) -> None:
    (root / "sub").symlink_to(outside)
    (root / "real").mkdir()
    (root / "real" / "sub").symlink_to("../../outside")
    for name in ("sub/secret", "sub/new", "sub/deep/new", "real/sub/secret"):
        with pytest.raises(Invalid, match="'sub' is a symbolic link"):
            save(root / name, root)
    assert everything(outside) == ["secret"]
    assert (outside / "secret").read_text() == "secret"


def test_the_chosen_directory_itself_may_be_a_link(root: Path, outside: Path) -> None:
    (root / "results").symlink_to(outside)
    save(root / "results" / "x" / "y", root / "results")
    assert everything(outside) == ["secret", "x", "x/y"]


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file_is_not_replaced(root: Path, kind: str) -> None:
    os.mkfifo(root / "fifo")
    (root / "folder").mkdir()
    with pytest.raises(Invalid, match="is not written"):
        save(root / kind)
    with pytest.raises(Invalid, match="'fifo' is a FIFO"):
        save(root / "fifo" / "x", root)
    assert everything(root) == ["fifo", "folder"]


def test_a_file_where_a_directory_should_be_is_told(root: Path) -> None:
    fill(root, "a")
    with pytest.raises(Invalid, match="'a' is a file"):
        save(root / "a" / "b", root)
    with pytest.raises(UserErrorException, match=r"a/b/c cannot be written \(Not a directory\)"):
        save(root / "a" / "b" / "c")


def test_a_target_outside_of_the_chosen_directory_is_refused(root: Path, outside: Path) -> None:
    for target in (outside / "x", root / ".." / "outside" / "x", root / "a" / ".." / ".." / "x", root):
        with pytest.raises(Invalid):
            save(target, root)
    assert everything(outside) == ["secret"]


class Breaking(io.BytesIO):
    """Content that turns out to be damaged at its end."""

    def read(self, size: int | None = -1) -> bytes:
        part = super().read(3)
        if self.tell() == 6:
            raise Unreadable("The content does not match its checksum.")
        return part


@pytest.fixture
def kept(root: Path) -> Iterator[Path]:
    fill(root, "x.txt")
    yield root / "x.txt"
    assert everything(root) == ["x.txt"]


def test_damaged_content_replaces_nothing(root: Path, kept: Path) -> None:
    with pytest.raises(Unreadable):
        folders.save(Breaking(b"content"), kept, inside=root)
    assert kept.read_text() == "x.txt"


def test_a_history_in_the_directory_is_left_out_and_its_database_is_never_opened(root: Path):
    fill(root, "own/history.db", "own/journal/x", "own/blobs/y", "history.db", "own.txt")
    assert walked(root) == (["history.db", "own.txt"], [])
    with pytest.raises(Invalid, match="is the database of a history"):
        folders.opened(root / "own" / "history.db")
    folders.opened(root / "history.db").close()
