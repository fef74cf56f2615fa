"""Archives that are damaged, or made to do harm: each is refused in one line, and nothing is taken in."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import zstandard

from runstone import Workspace
from runstone.cli.main import main
from runstone.model.errors import RunstoneError
from runstone.sdk import transfer
from runstone.sdk.workspace_transfer import _silent
from runstone.service.connect import disconnect
from runstone.store import chunks, records
from tests.archives import Entries, changed, digest, entries, good_archive, signed, write
from tests.histories import KINDS, address
from tests.transferred import Place

DOCUMENT, RECORDS = "runs/00000001.json", "runs/00000001.records"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_archive(tmp_path_factory.mktemp("good"))


@pytest.fixture
def content(good: Path) -> Entries:
    return entries(good)


@pytest.fixture
def refused(history: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[Path], str]]:
    """`refused(path)`: what is said of an archive of which nothing was taken in."""

    def attempt(path: Path) -> str:
        assert main(("import", str(path))) == 1
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("runstone: ")
        assert err.count("\n") == 1
        assert "--debug" not in err, "it was not refused, it failed"
        workspace = Workspace.from_config()
        assert workspace.count_runs() == 0
        with workspace._service.database.read() as tx:
            for table in ("runs", "attributes", "metric_chunk", "metric_latest", "metric_row", "artifacts"):
                assert tx.execute(f"SELECT * FROM {table}") == []
        return err

    yield attempt
    disconnect(history)


def run_of(**more: Any) -> Callable[[Any], Any]:
    return lambda document: {**document, "run": {**document["run"], **more}}


DOCUMENTS = {
    "an id that is a path": run_of(id="../../etc/passwd"),
    "an id with a slash": run_of(id="a/b"),
    "a status that is none": run_of(status="Exploded"),
    "a time after the end of time": run_of(created=10**18),
    "a time before its beginning": run_of(started=-1),
    "a number beyond 64 bits": run_of(number=2**70),
    "a count that is a text": run_of(quality={"late": "many"}),
    "a tag that is too long": run_of(tags={"k" * 300: "v"}),
    "a property with a control character": run_of(properties={"k": "\x00"}),
    "a description beyond its limit": run_of(description="x" * 100_000),
    "a snapshot that is a path": run_of(snapshot="../" * 21 + "x"),
    "an experiment that is not there": run_of(experiment_id="another"),
    "a text in the place of an object": lambda _: "run",
    "a run that is a list": lambda document: {**document, "run": []},
    "a job that runs a command": lambda document: {**document, "job": {"spec": {"command": ["rm"], "x": 1}}},
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_cannot_be(
    name: str, content: Entries, refused: Callable[[Path], str], tmp_path: Path
) -> None:
    refused(write(tmp_path / "bad.runstone", signed(changed(content, DOCUMENT, DOCUMENTS[name]))))


def packed(*given: records.Record) -> bytes:
    return b"".join(records.packed(given))


def bomb() -> bytes:
    """A chunk of one point whose values unpack to a gigabyte."""
    values = zstandard.ZstdCompressor(level=3).compress(bytes(1 << 30))
    progression = chunks.PROGRESSION.pack(0, 0)
    head = chunks.HEAD.pack(1, 1, 0.0, 0.0) + chunks.COLUMN.pack(b"P", 0, 0, len(progression))
    head += chunks.COLUMN.pack(b"R", 0, 1, len(values)) + chunks.COLUMN.pack(b"P", 0, 0, len(progression))
    return head + chunks.COLUMN.pack(b"N", 0, 0, 0) + progression + values + progression


def claiming(points: int) -> bytes:
    return chunks.HEAD.pack(1, points, 0.0, 0.0) + bytes(32)


def file_of(name: str = "a", version: int = 1, sha256: str = "0" * 64, size: int = 1) -> records.File:
    return records.File(name, version, sha256, size, 1)


STREAMS: dict[str, Callable[[], bytes]] = {
    "a record of four gigabytes": lambda: struct.pack("<I", 2**32 - 1),
    "a record cut short": lambda: struct.pack("<I", 100) + b"x",
    "no MessagePack": lambda: struct.pack("<I", 4) + b"\xc1\xc1\xc1\xc1",
    "a kind that is unknown": lambda: _framed({"kind": "command", "run": "rm"}),
    "nested without end": lambda: struct.pack("<I", 100_000) + b"\x91" * 100_000,
    "a file that leads out": lambda: packed(file_of("../../etc/passwd")),
    "an absolute file": lambda: packed(file_of("/etc/passwd")),
    "a file with a backslash": lambda: packed(file_of("..\\..\\x")),
    "a hash that is a path": lambda: packed(file_of(sha256="../" * 21 + "x")),
    "a size below nothing": lambda: packed(file_of(size=-1)),
    "a content that is not there": lambda: packed(file_of()),
    "an event out of order": lambda: packed(records.Event(2, 1, "RunStatusChanged", "{}")),
    "an event that is no object": lambda: packed(records.Event(1, 1, "RunStatusChanged", "[]")),
    "an event that is no JSON": lambda: packed(records.Event(1, 1, "RunStatusChanged", "{")),
    "points of no series": lambda: packed(records.Chunk("x", 0, b"")),
    "a chunk of noise": lambda: _series(records.Chunk("x", 0, Random(1).randbytes(500))),
    "a chunk that claims much": lambda: _series(records.Chunk("x", 0, claiming(2**31))),
    "a chunk that explodes": lambda: _series(records.Chunk("x", 0, bomb())),
    "an entry at no place": lambda: _series(records.Entry("x", 0, -1, "text", 0.0, 0, '"a"')),
    "an entry twice": lambda: _series(*[records.Entry("x", 0, 0, "text", 0.0, 0, '"a"')] * 2),
    "a series twice": lambda: _series() * 2,
    "a batch of noise": lambda: packed(records.Batch("w", 1, 1, False, Random(2).randbytes(300))),
}


def _framed(value: Any) -> bytes:
    body = msgspec.msgpack.encode(value)
    return struct.pack("<I", len(body)) + body


def _series(*more: records.Record) -> bytes:
    return _framed({"kind": "series", "latest": {"name": "x"}}) + packed(*more)


@pytest.mark.parametrize("name", STREAMS)
def test_records_that_cannot_be(
    name: str, content: Entries, refused: Callable[[Path], str], tmp_path: Path
) -> None:
    refused(write(tmp_path / "bad.runstone", signed(content | {RECORDS: STREAMS[name]()})))


WHOLES: dict[str, tuple[Callable[[Entries], Entries], str]] = {
    "a name that leads out": (lambda c: {"../../evil": b"x", **c}, "no archive of runs does"),
    "an absolute name": (lambda c: {"/tmp/evil": b"x", **c}, "no archive of runs does"),
    "a script beside the rest": (lambda c: {"setup.py": b"x", **c}, "no archive of runs does"),
    "no manifest": (lambda c: _without(c, "manifest.json"), "no manifest.json"),
    "no index": (lambda c: _without(c, "index.ndjson"), "no index.ndjson"),
    "no document": (lambda c: _without(c, DOCUMENT), f"no {DOCUMENT}"),
    "no records": (lambda c: _without(c, RECORDS), f"no {RECORDS}"),
    "another format": (lambda c: said(c, format="x"), "none of an archive"),
    "a newer version": (lambda c: said(c, version=2), "upgrade Runstone"),
    "a version in words": (lambda c: said(c, version="1"), "cannot be read"),
    "a manifest of noise": (lambda c: c | {"manifest.json": b"\xff\x00"}, "is no JSON"),
    "a manifest without end": (lambda c: c | {"manifest.json": b"[" * 100_000}, "nested deeper"),
    "an index of noise": (lambda c: signed_index(c, b"noise\n"), "line 1 of its index"),
    "an index without a run": (lambda c: signed_index(c, b""), "names 0 runs"),
    "a document that was changed": (lambda c: changed(c, DOCUMENT, run_of(number=9)), "checksum"),
    "records that were changed": (lambda c: c | {RECORDS: c[RECORDS][:-1] + b"x"}, "checksum"),
    "experiments that were changed": (lambda c: c | {"experiments.json": b"[]"}, "checksum"),
    "a content that was changed": (lambda c: _contents(c, lambda data: data[::-1]), "not what its name says"),
    "a content of another size": (lambda c: _contents(c, lambda data: data + b"x"), "in the place of"),
    "no content": (lambda c: _without_contents(c), "it has no contents/"),
}


def said(content: Entries, **more: Any) -> Entries:
    return changed(content, "manifest.json", lambda manifest: manifest | more)


def _without(content: Entries, name: str) -> Entries:
    return {key: value for key, value in content.items() if key != name}


def _without_contents(content: Entries) -> Entries:
    return {name: data for name, data in content.items() if not name.startswith("contents/")}


def _contents(content: Entries, change: Callable[[bytes], bytes]) -> Entries:
    return {k: change(v) if k.startswith("contents/") else v for k, v in content.items()}


def signed_index(content: Entries, index: bytes) -> Entries:
    return changed(
        content | {"index.ndjson": index},
        "manifest.json",
        lambda manifest: manifest | {"index": digest(index)},
    )


@pytest.mark.parametrize("name", WHOLES)
def test_an_archive_that_cannot_be(
    name: str, content: Entries, refused: Callable[[Path], str], tmp_path: Path
) -> None:
    change, said = WHOLES[name]
    assert said in refused(write(tmp_path / "bad.runstone", change(content)))


def test_what_is_no_archive(good: Path, refused: Callable[[Path], str], tmp_path: Path) -> None:
    whole = good.read_bytes()
    for data in (b"", b"hello", whole[: len(whole) // 2], whole[:-30], b"PK\x05\x06" + bytes(18)):
        path = tmp_path / "bad.runstone"
        path.write_bytes(data)
        assert "is refused" in refused(path)


def test_a_bomb_is_refused_before_it_is_unpacked(
    content: Entries, refused: Callable[[Path], str], tmp_path: Path
) -> None:
    name = next(name for name in content if name.startswith("contents/"))
    path = write(tmp_path / "bad.runstone", content | {name: bytes(17 << 20)}, packed=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    assert "would grow" in refused(path)


def test_entries_that_lie_upon_each_other_are_refused(
    content: Entries, refused: Callable[[Path], str], tmp_path: Path
) -> None:
    path = tmp_path / "bad.runstone"
    with zipfile.ZipFile(path, "w") as made:
        for name, data in content.items():
            made.writestr(name, data)
        made.filelist[2].header_offset = made.filelist[1].header_offset
    assert "lies upon" in refused(path)


def test_a_name_twice_is_refused(content: Entries, refused: Callable[[Path], str], tmp_path: Path) -> None:
    path = write(tmp_path / "bad.runstone", content | {"runs/00000099.json": b"{}"})
    data = path.read_bytes().replace(b"runs/00000099.json", DOCUMENT.encode())
    path.write_bytes(data)
    assert "twice" in refused(path)


def test_every_flipped_byte_is_noticed_or_harmless(
    good: Path, history: Path, tmp_path: Path, rng: Random, count: Callable[[int, int], int]
) -> None:
    """Whatever byte is wrong, what was taken in is as it was, and what was not is not there by half."""
    whole = good.read_bytes()
    assert main(("import", str(good), "-w", "whole", "-o", "none")) == 0
    workspace = Workspace(workspace_name="whole")
    right = {run.id: (run.get_metrics(), run.get_file_names(), run.tags) for run in workspace.search_runs()}
    for number in range(count(40, 2_000)):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path = tmp_path / "flipped.runstone"
        path.write_bytes(data)
        code = main(("import", str(path), "-w", f"w{number}", "-o", "none"))
        taken = Workspace(workspace_name=f"w{number}").search_runs()
        assert len(taken) == len(right) if code == 0 else len(taken) < len(right)
        for run in taken:
            assert (run.get_metrics(), run.get_file_names(), run.tags) == right[run.id]
    disconnect(history)


PARTS = (DOCUMENT, "experiments.json", RECORDS, RECORDS, RECORDS)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_signed_is_refused_or_can_be_read(
    kind: str,
    content: Entries,
    tmp_path: Path,
    rng: Random,
    count: Callable[[int, int], int],
    request: pytest.FixtureRequest,
) -> None:
    """Bytes are changed, removed and added, and the checksums made right again."""
    with address(kind, tmp_path, request) as at:
        place = Place(at, tmp_path)
        with closing(place.database):
            for number in range(count(150, 5_000)):
                name = rng.choice(PARTS)
                path = write(tmp_path / "x.runstone", signed(content | {name: mangled(content[name], rng)}))
                place.workspaces.create(f"w{number}")
                attempt(place, f"w{number}", path)


def attempt(place: Place, workspace: str, path: Path) -> None:
    """Take it in; what came in is read."""
    with suppress(RunstoneError):
        transfer.import_archive(place, workspace, path=path, progress=_silent)  # type: ignore[arg-type]
    for run in place.runs.search(workspace).runs:
        ref = f"{workspace}/{run.id}"
        assert set(place.metrics.values([ref])[ref]) <= set(place.metrics.latest(ref))
        place.runs.events(ref)
        place.artifacts.list(ref)


def mangled(data: bytes, rng: Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(len(found))
        found[at : at + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
    return bytes(found)


def test_the_good_one_is_taken_in(good: Path, history: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(("import", str(good))) == 0
    assert json.loads(capfd.readouterr().out) == {"added": 2, "present": 0, "different": []}
    disconnect(history)
