"""Compute targets: where submitted runs are computed, named in a workspace."""

from __future__ import annotations

import builtins
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runstone.model.errors import ComputeTargetException, Conflict, NotFound
from runstone.model.jobs import LOCAL, Target

if TYPE_CHECKING:
    from runstone.sdk.workspace import Workspace


_SECRET = {"token", "environment"}


@dataclass(frozen=True)
class LocalTarget:
    """The machine on which the script runs; always there."""

    name: str = LOCAL
    type: str = "Local"
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    host: str = field(default_factory=platform.node)

    def get_status(self) -> str:
        """``Succeeded``: the word by which the original says that a target is ready."""
        return "Succeeded"

    def wait_for_completion(self, show_output: bool = False, **_: Any) -> None:
        """Return at once: this machine is there."""


class ComputeTarget:
    """A compute target that was attached to a workspace.

    Raises:
        ComputeTargetException: there is none of that name; the message names those that there are.
    """

    type = ""

    def __new__(cls, workspace: Workspace, name: str) -> Any:
        """The target of that name, as an object of its own kind."""
        known = targets_of(workspace)
        if name not in known:
            raise ComputeTargetException(
                f"ComputeTargetNotFound: Compute Target with name {name} not found in provided workspace; "
                f"there are: {', '.join(known)}."
            )
        return known[name]

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Everything was read by ``__new__``."""

    @staticmethod
    def attach(workspace: Workspace, name: str, attach_configuration: Target) -> Any:
        """Name a target in a workspace; a name that is known gets the new meaning."""
        target = Target(name, attach_configuration.type, attach_configuration.config)
        workspace._service.jobs.attach(workspace.name, target)
        return targets_of(workspace)[name]

    @staticmethod
    def create(workspace: Workspace, name: str, provisioning_configuration: Any) -> Any:
        """The target of that name if it is attached: machines are made by a cloud, and by nothing here.

        Raises:
            ComputeTargetException: it is not attached; the message says how to.
        """
        known = targets_of(workspace)
        if name in known:
            return known[name]
        raise ComputeTargetException(
            f"A cluster {name!r} cannot be made: no cloud is here that would. Attach one that you have by "
            f"that name, ComputeTarget.attach(workspace, {name!r}, SlurmCompute.attach_configuration()) or "
            f"RayCompute.attach_configuration(address), or leave the compute target out to run right here."
        )

    @staticmethod
    def deserialize(workspace: Workspace, object_dict: Mapping[str, Any]) -> Any:
        """The target that ``serialize`` described, as it is now."""
        return ComputeTarget(workspace, str(object_dict["name"]))

    @staticmethod
    def list(workspace: Workspace) -> builtins.list[Any]:
        """The targets of a workspace, this machine first."""
        return [*targets_of(workspace).values()]

    @property
    def name(self) -> str:
        """The target's name."""
        return self._target.name

    @property
    def config(self) -> Mapping[str, Any]:
        """What its launcher was told."""
        return self._target.config

    def detach(self) -> None:
        """Forget the target. Runs that wait for it are Failed.

        Raises:
            ComputeTargetException: runs are under way there, which the message names, or it is gone already.
        """
        try:
            self._workspace._service.jobs.detach(self._workspace.name, self.name)
        except (NotFound, Conflict) as error:
            raise ComputeTargetException(error.message) from None

    def delete(self) -> None:
        """Forget the target, as ``detach``: the cluster itself is not ours to delete."""
        self.detach()

    def refresh_state(self) -> None:
        """Do nothing: what is known of a target is what it was attached with."""

    def serialize(self) -> dict[str, Any]:
        """The target as a dict, for programs; secrets of its configuration are left out."""
        shown = {key: value for key, value in self.config.items() if key not in _SECRET}
        return {"name": self.name, "type": self.type or self._target.type, "config": shown}

    def get_active_runs(
        self, type: str | None = None, tags: Any = None, properties: Any = None, status: str | None = None
    ) -> Any:
        """The runs that this target has, or that wait for it: a generator; ``status`` narrows it."""
        from runstone.sdk.run import Run  # a run knows its target's name

        states = (status,) if status else ("Running", "Queued")
        for state in states:
            yield from Run.list_by_compute(self, type, tags, properties, state)

    def get_status(self) -> str:
        """``Succeeded``: the word by which the original says that a target is ready."""
        return "Succeeded"

    def wait_for_completion(
        self, show_output: bool = False, is_delete_operation: bool = False, **_: Any
    ) -> None:
        """Return at once: attaching is done when it returns."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    @classmethod
    def _made(cls, workspace: Workspace, target: Target) -> ComputeTarget:
        made: ComputeTarget = object.__new__(cls)
        made._workspace = workspace
        made._target = target
        return made

    _workspace: Workspace
    _target: Target


class SlurmCompute(ComputeTarget):
    """A Slurm cluster, by its own commands."""

    type = "slurm"

    @staticmethod
    def attach_configuration(
        partition: str | None = None,
        account: str | None = None,
        *,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Target:
        """What a Slurm target needs.

        Args:
            partition, account: as sbatch takes them.
            arguments: more words for sbatch, such as ``--gres=gpu:1``.
            environment: variables for Slurm's commands, such as SLURM_CONF.
        """
        config = {"partition": partition, "account": account, "arguments": [*arguments]}
        return Target("", "slurm", {**config, "environment": dict(environment or {})})


class RayCompute(ComputeTarget):
    """A Ray cluster, by the HTTP interface of its job server."""

    type = "ray"

    @staticmethod
    def attach_configuration(address: str, token: str | None = None) -> Target:
        """What a Ray target needs: the address of its job server, and its token if it asks for one."""
        return Target("", "ray", {"address": address, "token": token})


def targets_of(workspace: Workspace) -> dict[str, Any]:
    """The targets of a workspace by name: this machine, then those that were attached."""
    kinds = {kind.type: kind for kind in (SlurmCompute, RayCompute)}
    return {
        target.name: LocalTarget()
        if target.name == LOCAL
        else kinds.get(target.type, ComputeTarget)._made(workspace, target)
        for target in workspace._service.jobs.targets(workspace.name)
    }
