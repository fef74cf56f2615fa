"""What a run gives to its workspace and takes from it: registered models, secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runstone.model.errors import ModelPathNotFoundException, NotFound
from runstone.model.models import NewModel
from runstone.sdk import finding
from runstone.sdk.handle import Handle, warn

if TYPE_CHECKING:
    from runstone.sdk.model import Model


class Registering(Handle):
    """The part of a run that registers models and asks for secrets."""

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        description: str | None = None,
        datasets: Sequence[Any] | None = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
        **kwargs: Any,
    ) -> Model:
        """Register a file or a folder of the run as a new version of a name. The model outlives the run.

        Args:
            model_name: to 250 characters, without ``/`` and ``:``.
            model_path: a file of the run, or a folder of files, as ``outputs/model``; by default the name.
            datasets: pairs of a word and a data set, as ``("training data", dataset)``.

        Raises:
            ModelPathNotFoundException: the run has no such file; the message names those that it has.
            UserErrorException: the name is no legal one, or a limit is exceeded; nothing is registered.
        """
        # a script that registers nothing loads none of it
        from runstone.sdk import model

        if kwargs:
            warn(f"register_model does not know {', '.join(sorted(kwargs))}; what was given is not kept.")
        new = NewModel(
            model_name,
            str(model_path or model_name),
            run=self.id,
            tags=finding.tags(tags or {}),
            properties=finding.properties(properties or {}),
            description=description,
            framework=model_framework,
            framework_version=model_framework_version,
            more=model.extras(datasets, sample_input_dataset, sample_output_dataset, resource_configuration),
        )
        workspace = self.experiment.workspace
        try:
            return model._of(workspace, self._service.models.register(workspace.name, new))
        except NotFound as error:
            raise ModelPathNotFoundException(error.message, status_code=404) from None

    def get_secret(self, name: str) -> str:
        """The value of a secret of the workspace, for this run's script to use.

        Raises:
            UserErrorException: there is no such secret, or the key that opens it is not there; the message
                says what to do.
        """
        return self._service.secrets.get(self.experiment.workspace.name, name)

    def get_secrets(self, secrets: Sequence[str]) -> dict[str, str | None]:
        """The values of several secrets, by name; None for those that there are not."""
        return self._service.secrets.values(self.experiment.workspace.name, finding.keys(secrets))
