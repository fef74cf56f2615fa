"""Clusters that the original's cloud would make: asked for by the same words, found when one is attached."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runstone.model.errors import ComputeTargetException
from runstone.sdk.compute import ComputeTarget

DEFAULT_SECONDS = 1800
PRIORITIES = ("dedicated", "lowpriority")


@dataclass(frozen=True)
class ComputeConfiguration:
    """What a cluster should be like: kept for who reads it, for no machine is made here."""

    vm_size: str = ""
    vm_priority: str = "dedicated"
    min_nodes: int = 0
    max_nodes: int | None = None
    idle_seconds_before_scaledown: int = DEFAULT_SECONDS
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None

    def validate_configuration(self) -> None:
        """Raises:
        ComputeTargetException: a value is none that a cluster could have.
        """
        if self.vm_priority not in PRIORITIES:
            raise ComputeTargetException(
                f"vm_priority is {' or '.join(PRIORITIES)}; got {self.vm_priority!r}."
            )
        if self.min_nodes < 0 or (self.max_nodes is not None and self.max_nodes < max(self.min_nodes, 1)):
            raise ComputeTargetException(
                f"A cluster has 0 or more nodes at least, and no fewer at most; got "
                f"min_nodes={self.min_nodes}, max_nodes={self.max_nodes}."
            )


class AmlCompute(ComputeTarget):
    """The original's managed cluster. Here it is whatever is attached by that name: Slurm, or Ray."""

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: int | None = None,
        idle_seconds_before_scaledown: int = DEFAULT_SECONDS,
        admin_username: str | None = None,
        admin_user_password: str | None = None,
        admin_user_ssh_key: str | None = None,
        vnet_resourcegroup_name: str | None = None,
        vnet_name: str | None = None,
        subnet_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: str | None = None,
        identity_id: Any = None,
        location: str | None = None,
        enable_node_public_ip: bool = True,
    ) -> ComputeConfiguration:
        """What a cluster should be like, for ``ComputeTarget.create``. What only a cloud has is passed over.

        Raises:
            ComputeTargetException: a value is none that a cluster could have.
        """
        made = ComputeConfiguration(
            vm_size=vm_size,
            vm_priority=vm_priority,
            min_nodes=min_nodes,
            max_nodes=max_nodes,
            idle_seconds_before_scaledown=idle_seconds_before_scaledown,
            tags=dict(tags or {}),
            description=description,
        )
        made.validate_configuration()
        return made

    @staticmethod
    def supported_vmsizes(workspace: Any, location: str | None = None) -> builtins.list[Any]:
        """None: no machine is made here."""
        return []

    @staticmethod
    def list_usages(
        workspace: Any, show_all: bool = False, location: str | None = None
    ) -> builtins.list[Any]:
        """None: nothing is metered here."""
        return []

    @staticmethod
    def list_quotas(workspace: Any, location: str | None = None) -> builtins.list[Any]:
        """None: nothing is metered here."""
        return []
