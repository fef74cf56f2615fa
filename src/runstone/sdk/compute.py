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

    def get_status(self) -> str:
        """``Succeeded``: the word by which the original says that a target is ready."""
        return "Succeeded"

    def wait_for_completion(self, show_output: bool = False, is_delete_operation: bool = False) -> None:
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
