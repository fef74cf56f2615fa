"""The sampler of processor, memory, disk, network and GPUs, with forks and endings of all kinds."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runstone.sdk.capture import sampling
from runstone.sdk.capture.sampling import DESCRIPTIONS, Sampler

SRC = Path(__file__).parents[2] / "src"
# What stands for NVIDIA's driver: two GPUs, the second of which does not tell its power.
PYNVML = """
from types import SimpleNamespace as Reading

NVML_TEMPERATURE_GPU = 0

class NVMLError(Exception):
    pass

def nvmlInit():
    pass

def nvmlDeviceGetCount():
    return 2

def nvmlDeviceGetHandleByIndex(index):
    return index

def nvmlDeviceGetName(handle):
    return b"Old Name" if handle else "New Name"

def nvmlDeviceGetUUID(handle):
    return f"GPU-{handle}{handle}{handle}"

def nvmlDeviceGetMemoryInfo(handle):
    return Reading(total=8 << 30, used=(handle + 1) << 30)

def nvmlDeviceGetUtilizationRates(handle):
    return Reading(gpu=40 + handle, memory=7)

def nvmlDeviceGetTemperature(handle, which):
    return 60

def nvmlDeviceGetPowerUsage(handle):
    if handle:
        raise NVMLError("not supported")
    return 125_000
"""
ONE_SAMPLE = """
import json, os, queue
from runstone.sdk.capture import Sampler
samples = queue.Queue()
sampler = Sampler(samples.put, os.environ, every=0.01, first=0.0)
sampler.start()
print(json.dumps(samples.get(timeout=60)))
sampler.stop()
"""

Script = Callable[..., str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a script that must end well and say nothing on its standard error; answers its output."""

    def run(code: str, expected: int = 0, errors: str = "", **environ: str) -> str:
        (tmp_path / "script.py").write_text(code)
        given = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{tmp_path}:{SRC}", **environ}
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "script.py"]
        done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, check=False, timeout=120)
        assert done.returncode == expected, done.stderr.decode()
        assert re.fullmatch(errors, done.stderr.decode(), re.DOTALL), done.stderr.decode()
        return done.stdout.decode()

    return run


@pytest.fixture
def samples():
    taken: queue.Queue[dict[str, float]] = queue.Queue()
    sampler = Sampler(taken.put, os.environ, every=0.01, first=0.0)
    sampler.start()
    yield taken
    sampler.stop()
    assert not sampler.running


def test_a_sample_holds_floats_under_names_that_are_described(samples):
    sample = samples.get(timeout=60)
    assert all(type(value) is float for value in sample.values())
    assert set(sample) <= set(DESCRIPTIONS)
    assert {"system.cpu.percent", "system.process.memory.rss_mib", "system.memory.percent"} <= set(sample)
    assert 0 <= sample["system.cpu.percent"] <= 100
    assert sample["system.process.memory.rss_mib"] > 1


def test_every_name_can_stand_in_a_filter_without_quotes():
    for name in DESCRIPTIONS:
        assert re.fullmatch(r"system(\.[a-z_][a-z0-9_]*)+", name)
        assert name.rpartition(".")[2] not in {"last", "min", "max", "first", "count", "mean"}


def test_children_are_counted_with_their_parent(samples):
    before = samples.get(timeout=60)["system.processes"]
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        while samples.get(timeout=60)["system.processes"] < before + 1:
            pass
    finally:
        child.communicate(b"\n")


def test_work_is_seen_as_processor_time(samples):
    def busy() -> float:
        sum(range(2_000_000))
        return samples.get(timeout=60)["system.process.cpu.percent"]

    while busy() <= 10:
        pass


def test_after_stop_no_sample_is_taken_and_stop_may_be_repeated():
    taken: list[dict[str, float]] = []
    first = threading.Event()
    sampler = Sampler(lambda sample: (taken.append(sample), first.set()), {}, every=0.001, first=0.0)
    sampler.stop()
    sampler.start()
    sampler.start()
    assert first.wait(60)
    assert [thread.name for thread in threading.enumerate()].count("runstone-sampler") == 1
    sampler.stop()
    sampler.stop()
    assert "runstone-sampler" not in [thread.name for thread in threading.enumerate()]


def test_a_sampler_may_be_stopped_from_its_own_call_and_started_again():
    stopped = threading.Event()

    def stop(sample: dict[str, float]) -> None:
        sampler.stop()
        stopped.set()

    sampler = Sampler(stop, {}, every=0.001, first=0.0)
    for _ in range(2):
        stopped.clear()
        sampler.start()
        assert stopped.wait(60)


def test_a_sample_that_cannot_be_logged_does_not_end_the_sampling(caplog):
    calls: queue.Queue[int] = queue.Queue()

    def refuse(sample: dict[str, float]) -> None:
        calls.put(1)
        raise OSError(28, "No space left on device")

    sampler = Sampler(refuse, {}, every=0.001, first=0.0)
    with caplog.at_level("DEBUG", logger="runstone"):
        sampler.start()
        for _ in range(3):
            calls.get(timeout=60)
        sampler.stop()
    assert "No space left on device" in caplog.text


def test_gpus_are_sampled_where_a_driver_is(script, tmp_path):
    (tmp_path / "pynvml.py").write_text(PYNVML)
    out = script(ONE_SAMPLE)
    for part in (
        '"system.gpu0.percent": 40.0',
        '"system.gpu1.percent": 41.0',
        '"system.gpu0.memory_mib": 1024.0',
        '"system.gpu0.memory_percent": 12.5',
        '"system.gpu0.temperature_c": 60.0',
        '"system.gpu0.power_w": 125.0',
    ):
        assert part in out
    assert "gpu1.power_w" not in out


@pytest.mark.parametrize(
    ("visible", "indices"), [("1", {"1"}), ("GPU-000", {"0"}), ("", set()), ("0,1", {"0", "1"})]
)
def test_only_the_gpus_that_the_run_may_use_are_sampled(script, tmp_path, visible, indices):
    (tmp_path / "pynvml.py").write_text(PYNVML)
    out = script(ONE_SAMPLE, CUDA_VISIBLE_DEVICES=visible)
    assert set(re.findall(r"system\.gpu(\d)\.percent", out)) == indices


def test_the_names_of_the_gpus_are_captured(script, tmp_path):
    (tmp_path / "pynvml.py").write_text(PYNVML)
    out = script(
        "import os\nfrom runstone.sdk.capture import *\n"
        "print(capture(Capture(), environ=os.environ).files[ENVIRONMENT_FILE].decode())"
    )
    assert '"name": "Old Name"' in out
    assert '"name": "New Name"' in out


@pytest.mark.parametrize("broken", ["raise NVMLError('no driver')", "return 1 / 0"])
def test_a_broken_driver_leaves_the_script_alone(script, tmp_path, broken):
    (tmp_path / "pynvml.py").write_text(PYNVML.replace("    return 2", f"    {broken}"))
    script(
        "import os, time\nfrom runstone.sdk.capture import Sampler\n"
        "sampler = Sampler(print, os.environ, every=0.01, first=0.0)\n"
        "sampler.start()\ntime.sleep(0.3)\nsampler.stop()"
    )


def test_without_psutil_nothing_happens(script):
    out = script(
        "import os, sys, time\nsys.modules['psutil'] = None\nfrom runstone.sdk.capture import Sampler\n"
        "sampler = Sampler(print, os.environ, every=0.01, first=0.0)\nsampler.start()\ntime.sleep(0.2)\n"
        "sampler.stop()\nprint('done')"
    )
    assert out == "done\n"


def test_a_forked_child_has_no_sampler_and_may_start_its_own(script):
    out = script(
        """
import os, queue
from runstone.sdk.capture import Sampler
samples = queue.Queue()
sampler = Sampler(samples.put, os.environ, every=0.001, first=0.0)
sampler.start()
samples.get(timeout=60)
child = os.fork()
if child == 0:
    samples = queue.Queue()
    alive = sampler.running
    sampler.stop()
    own = Sampler(samples.put, os.environ, every=0.001, first=0.0)
    own.start()
    sample = samples.get(timeout=60)
    own.stop()
    os.write(1, f"{alive} {sample['system.processes']}\\n".encode())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert sampler.running
sampler.stop()
"""
    )
    assert out == "False 1.0\n"


def test_forks_at_any_moment_leave_children_that_can_use_psutil(script, count):
    out = script(
        f"""
import os, signal, time
from runstone.sdk.capture import Sampler
sampler = Sampler(lambda sample: None, os.environ, every=0.0, first=0.0)
sampler.start()
for number in range({count(60, 1000)}):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        import psutil
        psutil.disk_io_counters()
        psutil.net_io_counters()
        psutil.Process().children()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, number
print("done")
sampler.stop()
"""
    )
    assert out == "done\n"


@pytest.mark.parametrize(
    ("ending", "code", "errors"),
    [
        ("pass", 0, ""),
        ("raise SystemExit(3)", 3, ""),
        ("raise ValueError('own')", 1, "Traceback.*ValueError: own\n"),
        ("import os; os._exit(4)", 4, ""),
        ("import atexit; atexit.register(lambda: Sampler(print, {}).start())", 0, ""),
        ("import threading; threading.Thread(target=lambda: time.sleep(0.1)).start()", 0, ""),
    ],
)
def test_however_the_script_ends_the_sampler_says_nothing(script, ending, code, errors):
    start = (
        "import time\nfrom runstone.sdk.capture import Sampler\n"
        "Sampler(lambda sample: None, {}, every=0.0, first=0.0).start()\n"
    )
    for seconds in (0.0, 0.05, 0.2):
        script(f"{start}time.sleep({seconds})\n{ending}", code, errors)


def test_a_sampler_that_hangs_does_not_hold_up_the_end(script):
    script(
        "import threading, time\nfrom runstone.sdk.capture import Sampler\nreached = threading.Event()\n"
        "def hang(sample):\n    reached.set()\n    time.sleep(600)\n"
        "Sampler(hang, {}, every=0.0, first=0.0).start()\nreached.wait(60)"
    )


def test_the_first_sample_comes_early_and_the_next_ones_every_ten_seconds():
    assert (sampling.FIRST_SECONDS, sampling.EVERY_SECONDS) == (1.0, 10.0)
