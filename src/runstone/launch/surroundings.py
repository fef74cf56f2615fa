"""The environment variables that a script is started with."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runstone.launch.processes import MARK
from runstone.model.errors import Invalid
from runstone.service import surroundings as submitted

if TYPE_CHECKING:
    from runstone.launch.folders import Folder
    from runstone.model.jobs import Job
    from runstone.service.connect import Service

# What a job of an agent may see of the agent's own environment; a local job has that of its submitter.
ALLOWED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "RUNSTONE_HOME")
ALLOWED_PREFIXES = ("LC_", "CUDA", "NVIDIA", "SLURM_", "RAY_NODE", "OMP_", "MKL_")


def variables(service: Service, job: Job, *, folder: Folder) -> dict[str, str]:
    """The submitter's environment (or what an agent allows), the environment's own variables, and the
    run's."""
    base = submitted.left(service.root, job.run)
    if base is None:
        base = {name: value for name, value in os.environ.items() if _allowed(name)}
    found = {**base, **job.spec.variables, **_of_run(service, job, folder), "PYTHONUNBUFFERED": "1"}
    found["PYTHONPATH"] = os.pathsep.join(
        _paths(service.root, service.settings.home, found.get("PYTHONPATH"))
    )
    return found


def _of_run(service: Service, job: Job, folder: Folder) -> Mapping[str, str]:
    workspace, _, id = job.run.partition("/")
    run = service.runs.get(job.run)
    labels = service.workspaces.get(workspace).labels
    return {
        MARK: folder.mark,
        "RUNSTONE_HISTORY": str(service.root),
        "RUNSTONE_WORKSPACE": workspace,
        "RUNSTONE_EXPERIMENT": run.experiment,
        "RUNSTONE_RUN_ID": id,
        "AZUREML_RUN_ID": id,
        "AZUREML_EXPERIMENT_ID": run.experiment_id,
        "AZUREML_ARM_SUBSCRIPTION": labels.get("subscription_id", ""),
        "AZUREML_ARM_RESOURCEGROUP": labels.get("resource_group", ""),
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
        "AZUREML_ARM_PROJECT_NAME": run.experiment,
        "AZUREML_SCRIPT_DIRECTORY_NAME": str(folder.code),
    }


def _paths(history: Path, home: Path, given: str | None) -> list[str]:
    """Runstone itself, for interpreters that lack it, and the azureml names, in front of what was given."""
    package = Path(__file__).parent.parent
    # by its place: another interpreter's Runstone, or one that was removed, is not this one
    lone = _listable(history, home) / "path" / hashlib.sha256(os.fsencode(package)).hexdigest()[:16]
    lone.mkdir(parents=True, exist_ok=True)
    # a link to the package alone: its neighbours in site-packages are not this script's
    with suppress(FileExistsError):
        (lone / "runstone").symlink_to(package, target_is_directory=True)
    return [str(lone / "runstone" / "azureml" / "served"), str(lone), *([given] if given else [])]


def _listable(history: Path, home: Path) -> Path:
    """A directory whose path can be one of several in a variable: it holds nothing that separates them."""
    own = Path(tempfile.gettempdir()) / f"runstone-{os.getuid()}"
    places = [history / "work", home, own]
    place = next((each for each in places if os.pathsep not in str(each)), None)
    if place is None:
        raise Invalid(f"{history} cannot hold a script's path: a directory without {os.pathsep!r} is needed.")
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if place.stat().st_uid != os.getuid():
        raise Invalid(f"{place} belongs to somebody else; set RUNSTONE_HOME to a directory of yours.")
    return place


def _allowed(name: str) -> bool:
    return name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
