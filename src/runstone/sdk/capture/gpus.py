"""Reads NVIDIA's GPUs through nvidia-ml-py, where that and a driver are there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_MIB = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """One GPU of the machine, `index` counted as the driver counts."""

    index: int
    name: str
    uuid: str
    memory_mib: float
    handle: Any


def visible_gpus(nvml: ModuleType | None, environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to this process, all when it is not set, none without a
    driver. May take a second: a driver that sleeps is woken."""
    if nvml is None:
        return ()
    try:
        nvml.nvmlInit()
        found = [_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except (nvml.NVMLError, OSError):
        return ()
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(gpu for gpu in found if chosen is None or _is_chosen(gpu, chosen))


def gpu_use(nvml: ModuleType, gpu: Gpu) -> dict[str, float]:
    """What the GPU does now, as `system.gpu0.*` of `sampling` names it; without what it does not tell."""
    readings: dict[str, Callable[[], float]] = {
        "percent": lambda: nvml.nvmlDeviceGetUtilizationRates(gpu.handle).gpu,
        "memory_mib": lambda: nvml.nvmlDeviceGetMemoryInfo(gpu.handle).used / _MIB,
        "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(gpu.handle, nvml.NVML_TEMPERATURE_GPU),
        "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(gpu.handle) / 1000,
    }
    use: dict[str, float] = {}
    for name, read in readings.items():
        with contextlib.suppress(nvml.NVMLError):
            use[name] = float(read())
    if "memory_mib" in use and gpu.memory_mib:
        use["memory_percent"] = 100 * use["memory_mib"] / gpu.memory_mib
    return use


def _gpu(nvml: ModuleType, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    return Gpu(
        index=index,
        name=_text(nvml.nvmlDeviceGetName(handle)),
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        memory_mib=nvml.nvmlDeviceGetMemoryInfo(handle).total / _MIB,
        handle=handle,
    )


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _is_chosen(gpu: Gpu, chosen: str) -> bool:
    named = [part.strip() for part in chosen.split(",")]
    return str(gpu.index) in named or any(
        part.startswith("GPU-") and gpu.uuid.startswith(part) for part in named
    )
