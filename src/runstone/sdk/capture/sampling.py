"""Samples what a run uses of its machine: processor, memory, disk, network and GPUs, every ten seconds."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from runstone.sdk.capture.extras import load_nvml, load_psutil
from runstone.sdk.capture.gpus import gpu_use, visible_gpus

EVERY_SECONDS = 10.0
FIRST_SECONDS = 1.0

# The filter language takes these names without quotes; gpu0 is the GPU that the driver counts as 0.
DESCRIPTIONS: Mapping[str, str] = {
    "system.cpu.percent": "Processors of the machine in use, 100 being all of them",
    "system.memory.used_mib": "Memory of the machine in use, without what is cached, MiB",
    "system.memory.percent": "Memory of the machine in use, percent of all",
    "system.process.cpu.percent": "Processor time of the script and all its children, 100 being one core",
    "system.process.memory.rss_mib": "Resident memory, the script's and its children's added up, MiB",
    "system.processes": "Processes: the script and its children",
    "system.disk.read_mib_per_s": "Read from all disks of the machine since the last sample, MiB/s",
    "system.disk.written_mib_per_s": "Written to all disks of the machine since the last sample, MiB/s",
    "system.disk.percent": "Share of the file system that is full, where the script was started",
    "system.network.received_mib_per_s": "Received over all interfaces since the last sample, MiB/s",
    "system.network.sent_mib_per_s": "Sent over all interfaces since the last sample, MiB/s",
    "system.gpu0.percent": "Time that the GPU was busy, percent",
    "system.gpu0.memory_mib": "Memory of the GPU in use, by whomever, MiB",
    "system.gpu0.memory_percent": "Memory of the GPU in use, percent of all",
    "system.gpu0.temperature_c": "Temperature of the GPU, degrees Celsius",
    "system.gpu0.power_w": "Power that the GPU draws, watt",
}

_MIB = 1 << 20
_STOP_SECONDS = 1.0
_log = logging.getLogger("runstone")


class Sampler:
    """Hands a dict of floats to `log_metrics` from a daemon thread of its own: the first `first` seconds
    after `start()`, then one `every` seconds. Without psutil it does nothing. A forked child has no sampler:
    what it uses is counted by its parent. Nothing that goes wrong here reaches the script; it is logged at
    level DEBUG."""

    def __init__(
        self,
        log_metrics: Callable[[dict[str, float]], object],
        environ: Mapping[str, str],
        *,
        every: float = EVERY_SECONDS,
        first: float = FIRST_SECONDS,
    ) -> None:
        self._log_metrics = log_metrics
        self._environ = dict(environ)
        self._every = every
        self._first = first
        self._stopping: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    @property
    def running(self) -> bool:
        """Whether samples are being taken in this very process."""
        return self._pid == os.getpid() and self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begins to sample; a second call does nothing."""
        if self.running:
            return
        stopping = threading.Event()
        thread = threading.Thread(target=self._sample, args=(stopping,), name="runstone-sampler", daemon=True)
        # While the interpreter ends, no thread starts any more.
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._stopping, self._thread, self._pid = stopping, thread, os.getpid()
            atexit.register(self.stop)

    def stop(self) -> None:
        """Ends the sampling, waiting a second at most for a sample that is being taken. May be repeated."""
        atexit.unregister(self.stop)
        thread, stopping = self._thread, self._stopping
        # After a fork the child's event may be locked by a thread that it does not have.
        if thread is None or stopping is None or self._pid != os.getpid():
            return
        stopping.set()
        if thread is not threading.current_thread():
            thread.join(_STOP_SECONDS)
        self._thread = self._stopping = None

    def _sample(self, stopping: threading.Event) -> None:
        psutil = load_psutil()
        if psutil is None:
            return
        try:
            probe = _Probe(psutil, load_nvml(), self._environ)
        except Exception:  # noqa: BLE001 - no machine may print a traceback into the script's output
            _log.debug("system metrics cannot be sampled here", exc_info=True)
            return
        wait = self._first
        while not stopping.wait(wait):
            wait = self._every
            try:
                self._log_metrics(probe.read())
            except Exception:  # noqa: BLE001 - the loop outlives a sample that fails
                _log.debug("a sample of the system metrics failed", exc_info=True)


class _Totals(NamedTuple):
    """Counters that only grow; the difference of two is what was used between them."""

    time: float
    machine: tuple[float, float]
    processes: dict[tuple[int, float], float]
    disk: tuple[int, int] | None
    network: tuple[int, int] | None


class _Probe:
    """Reads the machine; rates are since the reading before."""

    def __init__(self, psutil: ModuleType, nvml: ModuleType | None, environ: Mapping[str, str]) -> None:
        self._psutil = psutil
        self._nvml = nvml
        self._gpus = visible_gpus(nvml, environ)
        self._process = psutil.Process()
        self._directory = _working_directory()
        self._totals = self._read_totals(self._family())

    def read(self) -> dict[str, float]:
        """One sample; what cannot be had on this machine is left out."""
        psutil, family = self._psutil, self._family()
        before, self._totals = self._totals, self._read_totals(family)
        memory = psutil.virtual_memory()
        sample = {
            "system.memory.used_mib": memory.used / _MIB,
            "system.memory.percent": memory.percent,
            "system.process.memory.rss_mib": self._sum(family, lambda one: one.memory_info().rss) / _MIB,
            "system.processes": len(family),
            **_rates(before, self._totals),
            **self._read_disk_space(),
            **self._read_gpus(),
        }
        return {name: float(value) for name, value in sample.items()}

    def _family(self) -> list[Any]:
        with contextlib.suppress(self._psutil.Error, OSError):
            return [self._process, *self._process.children(recursive=True)]
        return [self._process]

    def _read_totals(self, family: list[Any]) -> _Totals:
        return _Totals(
            time.monotonic(),
            _machine_seconds(self._psutil.cpu_times()),
            {(one.pid, one.create_time()): self._sum([one], _processor_seconds) for one in family},
            self._counters(self._psutil.disk_io_counters, "read_bytes", "write_bytes"),
            self._counters(self._psutil.net_io_counters, "bytes_recv", "bytes_sent"),
        )

    def _sum(self, family: list[Any], read: Callable[[Any], float]) -> float:
        total = 0.0
        for one in family:
            # Processes come and go while they are being counted.
            with contextlib.suppress(self._psutil.Error, OSError):
                total += read(one)
        return total

    def _counters(self, read: Callable[..., Any], first: str, second: str) -> tuple[int, int] | None:
        # A container may hide them: None, or a file in /proc that may not be read.
        with contextlib.suppress(self._psutil.Error, OSError, RuntimeError, ValueError):
            # Without this, psutil takes a lock, and a child forked meanwhile would find it locked for ever.
            counters = read(nowrap=False)
            return (getattr(counters, first), getattr(counters, second)) if counters else None
        return None

    def _read_disk_space(self) -> dict[str, float]:
        with contextlib.suppress(OSError):
            return {"system.disk.percent": self._psutil.disk_usage(self._directory).percent}
        return {}

    def _read_gpus(self) -> dict[str, float]:
        if self._nvml is None:
            return {}
        return {
            f"system.gpu{gpu.index}.{name}": value
            for gpu in self._gpus
            for name, value in gpu_use(self._nvml, gpu).items()
        }


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return os.sep


def _processor_seconds(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _machine_seconds(times: Any) -> tuple[float, float]:
    # Linux counts the time of guests a second time, as the user's.
    every = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return every - times.idle - getattr(times, "iowait", 0.0), every


def _rates(before: _Totals, now: _Totals) -> dict[str, float]:
    seconds = max(now.time - before.time, 1e-3)
    used = sum(max(spent - before.processes.get(one, 0.0), 0.0) for one, spent in now.processes.items())
    busy, every = (new - old for old, new in zip(before.machine, now.machine, strict=True))
    rates = {
        "system.cpu.percent": min(max(100 * busy / every, 0.0), 100.0) if every > 0 else 0.0,
        "system.process.cpu.percent": 100 * used / seconds,
    }
    named = {
        "system.disk.read_mib_per_s": (before.disk, now.disk, 0),
        "system.disk.written_mib_per_s": (before.disk, now.disk, 1),
        "system.network.received_mib_per_s": (before.network, now.network, 0),
        "system.network.sent_mib_per_s": (before.network, now.network, 1),
    }
    for name, (old, new, which) in named.items():
        if old and new:
            rates[name] = max(new[which] - old[which], 0) / _MIB / seconds
    return rates
