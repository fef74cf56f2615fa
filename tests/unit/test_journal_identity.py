"""Who is alive: not a zombie, not another process with the same number, not one of before a reboot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runstone.journal import identity
from runstone.journal.identity import alive, here
from runstone.model.runs import Process


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as it:
        yield it
        it.kill()


def of(process: subprocess.Popen[bytes]) -> Process:
    found = identity._process(process.pid)
    assert found is not None
    return replace(here(), pid=process.pid, start=found[0])


def test_this_process_is_alive():
    assert here().pid == os.getpid()
    assert here() == here()
    assert alive(here()) is True


def test_another_process_is_alive_until_it_has_ended(other: subprocess.Popen[bytes]):
    who = of(other)
    assert alive(who) is True
    other.kill()
    other.wait()
    assert alive(who) is False


def test_a_zombie_is_dead(other: subprocess.Popen[bytes]):
    who = of(other)
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{other.pid}/stat").exists()
    assert alive(who) is False


def test_a_number_that_another_process_has_now_is_dead():
    assert alive(replace(here(), start=here().start - 1)) is False


def test_a_process_of_before_a_reboot_is_dead():
    boot, _, space = here().boot.partition("/")
    assert alive(replace(here(), boot=f"{boot[::-1]}/{space}")) is False


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"boot": here().boot + "7"}])
def test_nobody_knows_of_another_host_or_container(change: dict[str, str]):
    assert alive(replace(here(), **change)) is None


@pytest.mark.parametrize("pid", [2**22 + 1, 2**31, 2**70, 0, -1])
def test_a_number_that_no_process_has_is_dead(pid: int):
    assert alive(replace(here(), pid=pid)) is False


def test_a_forked_child_is_somebody_else():
    parent = here()
    pid = os.fork()
    if pid == 0:
        mine = here()
        os._exit(0 if mine != parent and alive(mine) and alive(parent) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_program_may_be_called_anything(tmp_path: Path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to(sys.executable)
    code = (
        "import sys; from runstone.journal.identity import here, alive; sys.exit(0 if alive(here()) else 1)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHOME": sys.base_prefix}
    assert subprocess.run([program, "-c", code], env=environment, check=False).returncode == 0


def test_a_host_whose_name_cannot_be_resolved_has_a_name():
    assert here().host == socket.gethostname()


def test_without_proc_the_same_is_told_by_psutil(
    other: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(identity, "_BOOT", tmp_path / "none")
    assert alive(here()) is True
    who = of(other)
    assert alive(who) is True
    assert alive(replace(who, start=who.start - 1000)) is False
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert alive(who) is False
    other.wait()
    assert alive(who) is False
