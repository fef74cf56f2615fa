"""Finds the modules named ``azureml``: the ones that are served, and a clear word about the others."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from runstone import __version__
from runstone.azureml.names import SERVED

TOP = "azureml"
# A folder for PYTHONPATH, in which `azureml` is a package that calls `install`.
FOLDER = Path(__file__).parent / "served"


class Served(MetaPathFinder, Loader):
    """Answers for ``azureml`` and everything below it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, or None for names that are not the original's.

        Raises:
            ModuleNotFoundError: a module of the original's that is not served.
        """
        if fullname.partition(".")[0] != TOP:
            return None
        if fullname not in SERVED:
            raise ModuleNotFoundError(_missing(fullname), name=fullname)
        package = any(name.startswith(f"{fullname}.") for name in SERVED)
        return ModuleSpec(fullname, self, origin="runstone", is_package=package)

    def exec_module(self, module: ModuleType) -> None:
        """Fill a new module: its names are looked up when they are first used."""
        names = SERVED[module.__name__]
        public = sorted(name for name in names if not name.startswith("_"))
        module.__doc__ = f"``{module.__name__}``, served by Runstone."
        vars(module).update(
            __all__=public, __getattr__=partial(_lookup, module), __dir__=lambda: [*public, "__all__"]
        )


def install() -> None:
    """Answer for ``azureml`` from now on in this process. Repeating is harmless.

    Raises:
        ImportError: an installed ``azureml`` is loaded already: its classes and ours would mix.
    """
    if any(isinstance(finder, Served) for finder in sys.meta_path):
        return
    loaded = sorted(name for name in sys.modules if name == TOP or name.startswith(f"{TOP}."))
    foreign = [name for name in loaded if not _ours(sys.modules[name])]
    if foreign:
        raise ImportError(
            f"{foreign[0]} of an installed Azure package is loaded already, from "
            f"{getattr(sys.modules[foreign[0]], '__file__', None)}; write `import runstone.azureml` before "
            f"the first import of azureml, or start the script with `runstone exec`."
        )
    sys.meta_path.insert(0, Served())


def _ours(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(FOLDER.resolve())


def _lookup(module: ModuleType, name: str) -> Any:
    home = SERVED[module.__name__].get(name)
    if home is not None:
        value = getattr(importlib.import_module(home), name)
        setattr(module, name, value)
        return value
    wanted = f"{module.__name__}.{name}"
    if wanted in SERVED:
        # the original's modules import one another: `azureml.exceptions` is there once `azureml.core` is
        return importlib.import_module(wanted)
    raise AttributeError(f"module {module.__name__!r}, served by Runstone, has no attribute {name!r}")


def _missing(wanted: str) -> str:
    return (
        f"Runstone ({__version__}) has nothing of the name {wanted}; of Azure ML SDK v1 it serves "
        f"{', '.join(name for name in SERVED if SERVED[name])}."
    )
