"""Runstone: the history of machine-learning runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from runstone.sdk.conda_dependencies import CondaDependencies
    from runstone.sdk.consumption import OutputFileDatasetConfig
    from runstone.sdk.dataset import Dataset
    from runstone.sdk.datastore import Datastore
    from runstone.sdk.environment import Environment
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.keyvault import Keyvault
    from runstone.sdk.model import Model
    from runstone.sdk.run import Run
    from runstone.sdk.run_configuration import RunConfiguration
    from runstone.sdk.run_details import RunDetails
    from runstone.sdk.script_run import ScriptRun
    from runstone.sdk.script_run_config import ScriptRunConfig
    from runstone.sdk.sweeps.config import SweepConfig
    from runstone.sdk.sweeps.run import SweepRun
    from runstone.sdk.workspace import Workspace

__all__ = [
    "CondaDependencies",
    "Dataset",
    "Datastore",
    "Environment",
    "Experiment",
    "Keyvault",
    "Model",
    "OutputFileDatasetConfig",
    "Run",
    "RunConfiguration",
    "RunDetails",
    "ScriptRun",
    "ScriptRunConfig",
    "SweepConfig",
    "SweepRun",
    "Workspace",
    "__version__",
]

# Imported on first use, so that `import runstone` stays light in every training script.
_HOMES = {
    "CondaDependencies": "runstone.sdk.conda_dependencies",
    "Dataset": "runstone.sdk.dataset",
    "Datastore": "runstone.sdk.datastore",
    "OutputFileDatasetConfig": "runstone.sdk.consumption",
    "Environment": "runstone.sdk.environment",
    "Experiment": "runstone.sdk.experiment",
    "Keyvault": "runstone.sdk.keyvault",
    "Model": "runstone.sdk.model",
    "Run": "runstone.sdk.run",
    "RunConfiguration": "runstone.sdk.run_configuration",
    "RunDetails": "runstone.sdk.run_details",
    "ScriptRun": "runstone.sdk.script_run",
    "ScriptRunConfig": "runstone.sdk.script_run_config",
    "SweepConfig": "runstone.sdk.sweeps.config",
    "SweepRun": "runstone.sdk.sweeps.run",
    "Workspace": "runstone.sdk.workspace",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'runstone' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
