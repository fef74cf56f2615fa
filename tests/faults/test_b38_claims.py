"""b38: one process at a time has a claim, the second is told who; a dead one's claim is void; a history on a
network file system is refused unless forced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runstone.model.errors import Conflict, Invalid
from runstone.service import housekeeping
from runstone.service.connect import disconnect
from runstone.store.claim import Claim
from runstone.store.sqlite import Sqlite
from tests.scripts import zombie
from tests.sources import ROOT

HOLD = """
import sys
from pathlib import Path
from runstone.store.claim import Claim
with Claim(Path(sys.argv[1]), "housekeeping"):
    print("held", flush=True)
    sys.stdin.readline()
"""
FORK = """
import os, sys
from pathlib import Path
from runstone.store.claim import Claim
with Claim(Path(sys.argv[1]), "housekeeping"):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(folder: Path, text: str = HOLD) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the claim."""
    with subprocess.Popen(
        [sys.executable, "-c", text, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def claim(folder: Path) -> None:
    with Claim(folder, "housekeeping"):
        pass


@pytest.mark.parametrize("text", [HOLD, FORK], ids=["alone", "after a fork"])
def test_the_second_is_refused_and_told_who_is_the_first(tmp_path: Path, text: str):
    with holder(tmp_path, text) as process:
        with pytest.raises(Conflict, match=rf"housekeeping\.lock is held by process {process.pid} on "):
            claim(tmp_path)
        claim(tmp_path / "other")
        process.communicate("\n", timeout=60)
        claim(tmp_path)


def test_a_second_claim_of_the_same_process_is_refused_too(tmp_path: Path):
    with Claim(tmp_path, "housekeeping"), pytest.raises(Conflict, match=f"held by process {os.getpid()} on "):
        claim(tmp_path)
    claim(tmp_path)


def test_the_claim_of_a_dead_process_is_void_even_while_it_is_a_zombie(tmp_path: Path):
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        zombie(process)
        claim(tmp_path)


HOSTILE = {
    "nothing": b"",
    "no JSON": b"\x00\xff nonsense",
    "deep": b"[" * 4096,
    "deep objects": b'{"a":' * 800,
    "a huge integer": b'{"pid": ' + b"9" * 4096,
    "another list": b"[1, 2, 3]",
    "other names": b'{"host": "h", "who": 1}',
    "a key twice": b'{"host":"a","host":"b","boot":"c","pid":1,"start":2}',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_whatever_a_claim_file_holds_it_is_read_as_nobody(tmp_path: Path, case: str):
    (tmp_path / "housekeeping.lock").write_bytes(HOSTILE[case])
    claim(tmp_path)
    with holder(tmp_path):
        (tmp_path / "housekeeping.lock").write_bytes(HOSTILE[case])
        with pytest.raises(Conflict, match=r"is held by another process; wait for it"):
            claim(tmp_path)


def test_only_one_process_keeps_house_and_the_other_leaves_in_peace(tmp_path: Path):
    with holder(tmp_path):
        assert housekeeping.main([str(tmp_path)]) == 0
        assert not (tmp_path / "history.db").exists()
    try:
        assert housekeeping.main([str(tmp_path)]) == 0
        assert (tmp_path / "history.db").exists()
    finally:
        disconnect(tmp_path)


def mounted(tmp_path: Path, *lines: str) -> Path:
    """What the kernel says of mounts, with other lines in it."""
    path = tmp_path / "mounts"
    path.write_text("\n".join(["/dev/root / ext4 rw 0 0", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory whose name needs an escape in a list of mounts."""
    path = tmp_path / "our shared\tdata\\x"
    path.mkdir()
    return path


def escaped(path: Path) -> str:
    return str(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")


@pytest.mark.parametrize("system", ["nfs", "nfs4", "cifs", "lustre", "fuse.sshfs", "ceph", "9p"])
def test_a_history_on_a_network_file_system_is_refused_unless_forced(
    tmp_path: Path, shared: Path, system: str
):
    mounts = mounted(tmp_path, f"server:/export {escaped(shared)} {system} rw,vers=4.2 0 0", "damaged")
    at = shared / "deeper" / "history.db"
    at.parent.mkdir()
    with pytest.raises(Invalid) as refused:
        Sqlite(at, mounts=mounts)
    assert f"({system})" in refused.value.message
    assert str(at) in refused.value.message
    assert "RUNSTONE_FORCE_NETWORK=1" in refused.value.message
    assert list(at.parent.iterdir()) == []
    Sqlite(at, mounts=mounts, force_network=True).close()


@pytest.mark.parametrize(
    "lines",
    [
        ["server:/export {above} nfs4 rw 0 0", "/dev/sdb {here} ext4 rw 0 0"],
        ["server:/export {here}-not nfs4 rw 0 0"],
        ["server:/export {here}/below nfs4 rw 0 0"],
        ["server:/export {here} nfs4 rw 0 0", "/dev/sdb {here} xfs rw 0 0"],
        ["server:/export"],
    ],
    ids=["a disk within", "a neighbour", "below", "mounted over", "damaged"],
)
def test_a_local_directory_beside_or_within_one_is_taken(tmp_path: Path, shared: Path, lines: list[str]):
    names = {"here": escaped(shared), "above": escaped(shared.parent)}
    mounts = mounted(tmp_path, *(line.format(**names) for line in lines))
    Sqlite(shared / "history.db", mounts=mounts).close()


def test_a_link_to_a_network_file_system_is_seen_through(tmp_path: Path, shared: Path):
    mounts = mounted(tmp_path, f"server:/export {escaped(shared)} nfs rw 0 0")
    (tmp_path / "link").symlink_to(shared)
    with pytest.raises(Invalid, match="network file system"):
        Sqlite(tmp_path / "link" / "history.db", mounts=mounts)


def test_a_system_without_such_a_list_is_trusted(tmp_path: Path):
    Sqlite(tmp_path / "history.db", mounts=tmp_path / "nowhere").close()
