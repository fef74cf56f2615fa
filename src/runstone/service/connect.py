"""The door: from a path to a history's operations, and what the environment says about both."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from runstone.journal.shipper import Shipper
from runstone.journal.sink import Limits
from runstone.model.errors import Invalid
from runstone.service.artifacts import Artifacts
from runstone.service.experiments import Experiments
from runstone.service.metrics import Metrics
from runstone.service.recovery import Recovery
from runstone.service.runs import Runs
from runstone.service.workspaces import Workspaces
from runstone.store.blobs import Directory
from runstone.store.database import open_database

if TYPE_CHECKING:
    from runstone.service.assets import Assets
    from runstone.service.jobs import Jobs
    from runstone.service.lineage import Lineage
    from runstone.service.logs import Logs
    from runstone.service.models import Models
    from runstone.service.purging import Purging
    from runstone.service.secrets import Secrets
    from runstone.service.snapshots import Snapshots
    from runstone.service.transfers import Transfers


@dataclass(frozen=True)
class Settings:
    """What the environment says: the only place that reads it, but for the supervisor."""

    home: Path
    history: str | None = None
    workspace: str | None = None
    run_id: str | None = None
    experiment: str | None = None
    run_name: str | None = None
    context: str | None = None
    capture: str | None = None
    strict: bool = False
    force_network: bool = False
    journal_bytes: int = Limits.journal_bytes
    local_runs: int | None = None
    token: str | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Settings:
        """The settings of an environment, the original's ``AZUREML_*`` names understood."""
        return cls(
            home=Path(environ.get("RUNSTONE_HOME") or _data_directory(environ)),
            history=environ.get("RUNSTONE_HISTORY") or None,
            workspace=environ.get("RUNSTONE_WORKSPACE") or environ.get("AZUREML_ARM_WORKSPACE_NAME") or None,
            run_id=environ.get("RUNSTONE_RUN_ID") or environ.get("AZUREML_RUN_ID") or None,
            experiment=environ.get("RUNSTONE_EXPERIMENT") or environ.get("AZUREML_ARM_PROJECT_NAME") or None,
            run_name=environ.get("RUNSTONE_RUN_NAME") or None,
            context=environ.get("RUNSTONE_CONTEXT_RUN") or None,
            capture=environ.get("RUNSTONE_CAPTURE"),
            strict=environ.get("RUNSTONE_STRICT", "") not in ("", "0"),
            force_network=environ.get("RUNSTONE_FORCE_NETWORK", "") not in ("", "0"),
            journal_bytes=_journal_bytes(environ.get("RUNSTONE_JOURNAL_MB") or ""),
            local_runs=_local_runs(environ.get("RUNSTONE_LOCAL_RUNS") or ""),
            token=environ.get("RUNSTONE_TOKEN") or None,
        )


class Service:
    """An embedded history: a directory with a database, journals and blobs, and the operations on it.

    ``address`` is how the history is named elsewhere, ``root`` the directory on this machine.
    """

    root: Path
    settings: Settings
    shipper: Shipper

    def __init__(self, root: Path, settings: Settings, *, store: str = "", durable: bool = False) -> None:
        """``store``: the address of a database that is not in the directory; ``durable``: what is
        acknowledged survives a loss of power, as a server promises."""
        self._reside(root, settings)
        self.address = str(root)
        self.database = open_database(
            store or root / "history.db", force_network=settings.force_network, durable=durable
        )
        self._blobs = Directory(root / "blobs")
        self.recovery = Recovery(
            self.database, shipper=self.shipper, blobs=self._blobs, root=root, environ=os.environ
        )
        self.workspaces = Workspaces(self.database)
        self.experiments = Experiments(self.database)
        self.runs = Runs(self.database, settle=self.recovery.settle, refresh=self.recovery.refresh)
        self.metrics = Metrics(self.database, self.recovery.settle)
        self.artifacts = Artifacts(self.database, self._blobs, settle=self.recovery.settle)

    # What a script that only logs, and a list of runs, have no use for is loaded when it is first asked for.

    @cached_property
    def jobs(self) -> Jobs:
        """Work that is to be done somewhere."""
        from runstone.service.jobs import Jobs

        return Jobs(self.database, settle=self.recovery.settle, root=self.root)

    @cached_property
    def snapshots(self) -> Snapshots:
        """The source directories of runs."""
        from runstone.service.snapshots import Snapshots

        return Snapshots(self.database, self._blobs)

    @cached_property
    def assets(self) -> Assets:
        """What a workspace keeps by name and version."""
        from runstone.service.assets import Assets

        return Assets(self.database)

    @cached_property
    def models(self) -> Models:
        """Registered models."""
        from runstone.service.models import Models

        return Models(self.database, self._blobs)

    @cached_property
    def secrets(self) -> Secrets:
        """The workspaces' secrets."""
        from runstone.service.secrets import Secrets

        return Secrets(self.database, home=self.settings.home)

    @cached_property
    def transfers(self) -> Transfers:
        """Runs that leave for another history, or come from one."""
        from runstone.service.transfers import Transfers

        return Transfers(self.database, self._blobs, settle=self.recovery.settle)

    @cached_property
    def lineage(self) -> Lineage:
        """What runs have read and made."""
        from runstone.service.lineage import Lineage

        return Lineage(self.database)

    @cached_property
    def purging(self) -> Purging:
        """What was deleted long ago, and is to go for good."""
        from runstone.service.purging import Purging

        return Purging(self.database, artifacts=self.artifacts, root=self.root)

    @cached_property
    def logs(self) -> Logs:
        """What runs print."""
        from runstone.service.logs import Logs

        return Logs(self.database, artifacts=self.artifacts, settle=self.recovery.settle, root=self.root)

    @property
    def resources(self) -> Mapping[str, object]:
        """The resources by the names under which a server has them."""
        return {
            "workspaces": self.workspaces,
            "experiments": self.experiments,
            "runs": self.runs,
            "metrics": self.metrics,
            "artifacts": self.artifacts,
            "logs": self.logs,
            "snapshots": self.snapshots,
            "assets": self.assets,
            "models": self.models,
            "lineage": self.lineage,
            "jobs": self.jobs,
            "secrets": self.secrets,
            "transfers": self.transfers,
            "purging": self.purging,
        }

    def _reside(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings
        _make(root)
        limits = Limits(journal_bytes=settings.journal_bytes)
        self.shipper = Shipper(self, root / "journal", strict=settings.strict, limits=limits)

    def persist(self) -> bool:
        """Whether everything acknowledged so far now survives a loss of power."""
        return self.database.persist()

    def close(self) -> None:
        """Deliver what this process has logged, and let go of the history."""
        self.shipper.close()
        self.database.close()


_services: dict[str, Service] = {}
_lock = threading.Lock()


def environment() -> Mapping[str, str]:
    """The environment of this process, as it is now."""
    return dict(os.environ)


def settings() -> Settings:
    """What the environment of this process says now."""
    return Settings.of(os.environ)


def announce(run: str) -> None:
    """Have the workers that this process starts know the run of their script."""
    os.environ["RUNSTONE_CONTEXT_RUN"] = run


def connect(address: str | Path, given: Settings | None = None) -> Service:
    """The history at a path, which is made if there is none, or on the server at ``https://...``; opened once
    a process."""
    name = _named(address)
    with _lock:
        if name not in _services:
            _services[name] = _opened(name, given or settings())
        return _services[name]


def disconnect(address: str | Path) -> None:
    """Close a history that this process opened; a later ``connect`` opens it anew."""
    with _lock:
        service = _services.pop(_named(address), None)
    if service is not None:
        service.close()


def _named(address: str | Path) -> str:
    if "://" not in str(address):
        return str(Path(address).expanduser().resolve())
    if not str(address).startswith(("http://", "https://")):
        raise Invalid(
            f"A history is a directory, or a server's address like https://runs.example.org; got {address}."
        )
    return str(address).rstrip("/")


def _opened(name: str, given: Settings) -> Service:
    if "://" not in name:
        return Service(Path(name), given)
    # what travels and how is nothing that an embedded history needs to know
    from runstone.service.remote import RemoteService

    return RemoteService(name, given)


def _forked() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(
            f"The history {root} cannot be made ({error.strerror}); set RUNSTONE_HOME or RUNSTONE_HISTORY "
            f"to a directory that you may write to."
        ) from None


def _journal_bytes(megabytes: str) -> int:
    if not megabytes:
        return Limits.journal_bytes
    if not megabytes.isdecimal() or int(megabytes) < 1:
        raise Invalid(f"RUNSTONE_JOURNAL_MB is a number of MiB, 1 or more, such as 2048; got {megabytes!r}.")
    return int(megabytes) * 1024**2


def _local_runs(number: str) -> int | None:
    if not number:
        return None
    if not number.isdecimal() or int(number) < 1:
        raise Invalid(f"RUNSTONE_LOCAL_RUNS is a number of runs, 1 or more, such as 4; got {number!r}.")
    return int(number)


def _data_directory(environ: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return _home(environ) / "Library" / "Application Support" / "runstone"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or _home(environ)) / "runstone"
    return Path(environ.get("XDG_DATA_HOME") or _home(environ) / ".local" / "share") / "runstone"


def _home(environ: Mapping[str, str]) -> Path:
    if environ.get("HOME"):
        return Path(environ["HOME"])
    try:
        return Path.home()
    except RuntimeError:
        # no HOME and no entry in passwd: a container with a bare uid
        return Path.cwd()
