"""Tells on which machine, for which user and with which settings a process runs; asks no network."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from runstone.sdk.capture.gpus import Gpu
from runstone.sdk.capture.packages import python_version
from runstone.sdk.capture.secrets import mask_environment
from runstone.sdk.capture.text import printable

# What decides how a training runs. An allow-list: what else stands in an environment is nobody's business.
_ALLOWED = """
    CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER CUDA_LAUNCH_BLOCKING CUBLAS_WORKSPACE_CONFIG NVIDIA_VISIBLE_DEVICES
    HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES NCCL_* GLOO_SOCKET_IFNAME OMP_* MKL_NUM_THREADS
    OPENBLAS_NUM_THREADS NUMEXPR_* VECLIB_MAXIMUM_THREADS WORLD_SIZE RANK LOCAL_RANK LOCAL_WORLD_SIZE
    NODE_RANK GROUP_RANK MASTER_ADDR MASTER_PORT TORCHELASTIC_* OMPI_COMM_WORLD_* PMI_RANK PMI_SIZE SLURM_*
    PBS_JOBID PBS_NODEFILE LSB_JOBID PYTORCH_CUDA_ALLOC_CONF PYTORCH_ENABLE_MPS_FALLBACK XLA_FLAGS
    JAX_PLATFORMS JAX_ENABLE_X64 TF_CPP_MIN_LOG_LEVEL TF_DETERMINISTIC_OPS TF_FORCE_GPU_ALLOW_GROWTH
    TF_ENABLE_ONEDNN_OPTS TOKENIZERS_PARALLELISM HF_HUB_OFFLINE PYTHONHASHSEED PYTHONPATH PYTHONOPTIMIZE
    VIRTUAL_ENV CONDA_DEFAULT_ENV CONDA_PREFIX LANG LC_ALL TZ AZUREML_RUN_ID AZUREML_ARM_PROJECT_NAME
    RUNSTONE_RUN_ID RUNSTONE_WORKSPACE
"""
VARIABLES = tuple(_ALLOWED.split())

_USER_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")
_MIB = 1 << 20
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def host_name() -> str:
    """The machine's name for itself; it need not resolve."""
    return printable(platform.node(), 250) or "unknown"


def user_name(environ: Mapping[str, str]) -> str:
    """Who runs this: what the environment says, else the user database, else the number, `uid 4711`."""
    named = next((environ[name] for name in _USER_VARIABLES if environ.get(name)), "")
    return printable(named, 250) if named else _user_of_process()


def machine_properties(environ: Mapping[str, str]) -> dict[str, str]:
    """The few facts that a list of runs is searched by."""
    return {
        "runstone.host": host_name(),
        "runstone.user": user_name(environ),
        "runstone.python": python_version(),
        "runstone.platform": f"{platform.system()} {platform.machine()}".strip(),
    }


def describe_environment(environ: Mapping[str, str], gpus: Iterable[Gpu] = ()) -> dict[str, Any]:
    """All that is kept about the machine, the interpreter and the chosen variables, ready for JSON. Memory
    in MiB; `cpus` are those that this process may use; None stands for what cannot be told here."""
    return {
        "host": host_name(),
        "user": user_name(environ),
        "directory": _directory(),
        "platform": printable(platform.platform()),
        "python": {"version": python_version(), "implementation": platform.python_implementation()},
        "processor": _processor(),
        "cpus": _usable_cpus(),
        "machine_cpus": os.cpu_count(),
        "memory_mib": _memory_mib(),
        "memory_limit_mib": _memory_limit_mib(),
        "gpus": [{"index": gpu.index, "name": gpu.name, "memory_mib": gpu.memory_mib} for gpu in gpus],
        "variables": chosen_variables(environ),
    }


def chosen_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of the allow-list, masked and sorted by name."""
    chosen = {k: v for k, v in environ.items() if any(fnmatchcase(k, pattern) for pattern in VARIABLES)}
    return {printable(name, 250): printable(value) for name, value in mask_environment(chosen).items()}


def _user_of_process() -> str:
    if not hasattr(os, "getuid"):
        return "unknown"
    with contextlib.suppress(ImportError, KeyError):
        # Unix alone has it.
        import pwd

        return printable(pwd.getpwuid(os.getuid()).pw_name, 250)
    return f"uid {os.getuid()}"


def _directory() -> str | None:
    with contextlib.suppress(OSError):
        return printable(os.getcwd())
    return None


def _processor() -> str | None:
    # platform.processor() would start a process to find out.
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                return printable(line.partition(":")[2].strip(), 250)
    return None


def _usable_cpus() -> int | None:
    with contextlib.suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory_mib() -> int | None:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB
    return None


def _memory_limit_mib() -> int | None:
    memory = _memory_mib()
    for path in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
            limit = int(file.read()) // _MIB
            return limit if memory is None or limit < memory else None
    return None
