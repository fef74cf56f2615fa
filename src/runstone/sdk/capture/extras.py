"""Loads psutil and pynvml, heavy and optional both, in any thread, whatever is forked meanwhile."""

from __future__ import annotations

import os
import threading
from types import ModuleType

# A child forked during another thread's import would inherit the import's lock, and nobody to open it.
_importing = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release
    )


def load_psutil() -> ModuleType | None:
    """The module, or None where a job runs in an interpreter of the user's own that lacks it."""
    with _importing:
        try:
            # Heavy: no script shall wait for it.
            import psutil
        except ImportError:
            return None
        module: ModuleType = psutil
        return module


def load_nvml() -> ModuleType | None:
    """The module, or None without the extra `gpu` (nvidia-ml-py)."""
    with _importing:
        try:
            # An extra, and useless on most machines.
            import pynvml
        except ImportError:
            return None
        module: ModuleType = pynvml
        return module
