"""What a workspace keeps by name: environments, compute targets, and what else a script asks it for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from runstone.sdk.compute import targets_of

if TYPE_CHECKING:
    from runstone.sdk.datastore import Datastore
    from runstone.sdk.environment import Environment
    from runstone.sdk.keyvault import Keyvault
    from runstone.sdk.model import Model
    from runstone.sdk.workspace import Workspace


class WorkspaceAssets:
    """The part of a workspace that finds what is kept in it, each time anew."""

    @property
    def environments(self) -> dict[str, Environment]:
        """The latest version of each registered environment, by name."""
        from runstone.sdk.environment import Environment  # only for who asks

        return Environment.list(self._workspace)

    @property
    def models(self) -> dict[str, Model]:
        """The latest version of each registered model, by name."""
        from runstone.sdk.model import Model  # only for who asks

        return {model.name: model for model in Model.list(self._workspace, latest=True)}

    def get_default_keyvault(self) -> Keyvault:
        """The workspace's secrets."""
        from runstone.sdk.keyvault import Keyvault  # only for who asks

        return Keyvault(self._workspace)

    @property
    def compute_targets(self) -> dict[str, Any]:
        """Where runs can be computed: this machine, named ``local``, and what was attached."""
        return targets_of(self._workspace)

    @property
    def datastores(self) -> dict[str, Datastore]:
        """Every datastore, by name: the workspace's own, and those that were registered."""
        from runstone.sdk.datastore import datastores_of  # only for who asks

        return datastores_of(self._workspace)

    @property
    def datasets(self) -> dict[str, Any]:
        """The latest version of each registered data set, by name."""
        from runstone.sdk.dataset import Dataset  # only for who asks

        return Dataset.get_all(self._workspace)

    def get_default_datastore(self) -> Datastore:
        """The default datastore: the workspace's own, unless another one was made it."""
        from runstone.sdk.datastore import Datastore  # only for who asks

        return Datastore.get_default(self._workspace)

    def set_default_datastore(self, name: str) -> None:
        """Make a registered datastore the default one."""
        from runstone.sdk.datastore import Datastore  # only for who asks

        Datastore(self._workspace, name).set_as_default()

    @property
    def _workspace(self) -> Workspace:
        # the whole, of which this class is a part
        return cast("Workspace", self)
