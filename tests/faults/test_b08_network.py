"""b8: journals need no memory maps and no locks; the database refuses network file systems, unless forced."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from runstone.exceptions import UserErrorException
from runstone.store.sqlite import Sqlite
from tests.scripts import Stage, kill, line, until
from tests.sources import PACKAGE, tree

JOURNAL = sorted((PACKAGE / "journal").glob("*.py"))


def mounts(stage: Stage, system: str, at: Path) -> Path:
    """What the kernel would list if a folder were of another file system."""
    told = stage.folder / "mounts"
    path = str(at).replace(" ", "\\040")
    told.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/export {path} {system} rw,vers=4.2 0 0\n")
    return told


@pytest.mark.parametrize(
    "system", ["nfs", "nfs4", "cifs", "smb3", "lustre", "fuse.sshfs", "9p", "beegfs", "gpfs"]
)
def test_a_database_on_a_network_is_refused_unless_forced(stage: Stage, system: str):
    shared = stage.folder / "shared disk"
    shared.mkdir()
    told = mounts(stage, system, shared)
    with pytest.raises(UserErrorException) as refused:
        Sqlite(shared / "history.db", mounts=told)
    assert f"is on a network file system ({system})" in str(refused.value)
    assert "RUNSTONE_FORCE_NETWORK=1" in str(refused.value)
    assert list(shared.iterdir()) == []
    Sqlite(shared / "history.db", mounts=told, force_network=True).close()
    assert (shared / "history.db").exists()


def test_a_database_beside_a_network_disk_is_taken(stage: Stage):
    told = mounts(stage, "nfs", stage.folder / "shared")
    (stage.folder / "shared2").mkdir()
    Sqlite(stage.folder / "shared2" / "history.db", mounts=told).close()


def test_a_history_on_a_network_is_one_clear_message(stage: Stage):
    # the script sees another list of mounts, by the one way in which anybody sees it
    told = mounts(stage, "nfs4", stage.history)
    script = f"""
import pathlib
before = pathlib.Path.read_text
pathlib.Path.read_text = lambda path, *a, **k: before(
    pathlib.Path({str(told)!r}) if str(path) == "/proc/mounts" else path, *a, **k
)
run = begin()
run.log("loss", 1.0)
"""
    refused = stage.run(script)
    assert refused.returncode == 1
    assert "is on a network file system (nfs4)" in refused.stderr.strip().splitlines()[-1]
    forced = stage.run(script, environment={"RUNSTONE_FORCE_NETWORK": "1"})
    assert (forced.returncode, forced.stderr) == (0, "")
    assert stage.see().get_metrics() == {"loss": 1.0}


def test_the_journal_uses_neither_maps_nor_locks():
    for path in JOURNAL:
        names = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
        names |= {
            alias.name
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert not names & {"mmap", "flock", "lockf", "F_SETLK", "F_OFD_SETLK", "link", "O_TMPFILE"}, path
    assert len(JOURNAL) > 5


def test_a_process_that_logs_has_mapped_no_file_of_the_journal(stage: Stage):
    process = stage.start(
        "run = begin()\nfor i in range(100_000_000):\n    run.log('loss', 1.0)\n    i or say('ready')\n"
    )
    line(process)
    until(stage.left)
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    locks = {entry.split()[5] for entry in Path("/proc/locks").read_text().splitlines() if "->" not in entry}
    mine = [file.stat() for file in stage.left()]
    assert ".rsj" not in maps
    assert not {f"{os.major(at.st_dev):02x}:{os.minor(at.st_dev):02x}:{at.st_ino}" for at in mine} & locks
    kill(process)


def test_a_journal_is_read_through_another_name_of_its_folder(stage: Stage):
    """As hosts that mount one disk at different places: nothing in a journal depends on where it lies."""
    process = stage.start("run = begin()\nrun.log('loss', 1.0)\nos._exit(0)\n")
    process.wait(timeout=60)
    moved = stage.folder / "mounted elsewhere"
    stage.history.rename(moved)
    reader = "print(Workspace.from_config().get_run('r').get_metrics())\n"
    seen: subprocess.CompletedProcess[str] = stage.run(reader, environment={"RUNSTONE_HISTORY": str(moved)})
    assert (seen.stdout, seen.stderr) == ("{'loss': 1.0}\n", "")
