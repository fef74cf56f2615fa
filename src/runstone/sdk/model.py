"""Model: files that a workspace keeps under a name, in versions, apart from the run that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runstone.model import models as model
from runstone.model.errors import Gone, ModelNotFoundException, NotFound, UserErrorException
from runstone.sdk import finding, model_files
from runstone.sdk.model_record import ModelRecord

if TYPE_CHECKING:
    from runstone.sdk.workspace import Workspace

Filter = str | Sequence[Any] | Mapping[str, Any] | None


class Model(ModelRecord):
    """A registered model: one version of a name.

    Args:
        workspace: where it is registered.
        name: the latest version of that name, unless ``version`` is given; an ``id`` may stand here, too.
        id: ``name:version``.
        tags: the latest version that has these tags: keys, or pairs of key and value.
        properties: the same of properties.
        version: a number from 1.
        run_id: the latest version that this run has registered.
        model_framework: the latest version of that framework.

    Raises:
        ModelNotFoundException: there is none (also a ``WebserviceException``); the message names those that
            there are.
    """

    class Framework:
        """The frameworks that the original names; any other text will do as well."""

        CUSTOM = "Custom"
        MULTI = "Multi"
        ONNX = "Onnx"
        SCIKITLEARN = "ScikitLearn"
        TENSORFLOW = "TensorFlow"

    def __init__(
        self,
        workspace: Workspace,
        name: str | None = None,
        id: str | None = None,
        tags: Filter = None,
        properties: Filter = None,
        version: int | str | None = None,
        run_id: str | None = None,
        model_framework: str | None = None,
        expand: bool = True,
        **kwargs: Any,
    ) -> None:
        given, _, number = str(id or name or "").partition(":")
        wanted = version if version is not None else number or None
        self.workspace = workspace
        if given and not (tags or properties or run_id or model_framework):
            self._record = _one(workspace, given, wanted)
            return
        found = Model.list(
            workspace, given or None, tags, properties, run_id, model_framework=model_framework
        )
        found = [one for one in found if wanted is None or one.version == _number(wanted)]
        if not found:
            asked: dict[str, Any] = {"name": given, "version": wanted, "tags": tags, "properties": properties}
            asked = {**asked, "run_id": run_id, "model_framework": model_framework}
            raise _missing(workspace, {key: value for key, value in asked.items() if value})
        self._record = found[0]._record

    @staticmethod
    def register(
        workspace: Workspace,
        model_path: str | Path,
        model_name: str,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        description: str | None = None,
        datasets: Sequence[Any] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        child_paths: Sequence[str] | None = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
    ) -> Model:
        """Register a file or a folder of this machine as a new version of a name.

        Args:
            model_path: a file, or a folder, all of which is kept (links out of it are not followed).
            model_name: to 250 characters, without ``/`` and ``:``.
            child_paths: of a folder, only these files and folders in it.
            datasets: pairs of a word and a data set, as ``("training data", dataset)``.

        Raises:
            ModelPathNotFoundException: there is no such file or folder.
            UserErrorException: the name is no legal one, or a limit is exceeded; nothing is registered.
        """
        model.model_name(model_name)
        top, files = model_files.keep(workspace._service, Path(model_path), only=child_paths)
        new = model.NewModel(
            model_name,
            top,
            files=files,
            tags=finding.tags(tags or {}),
            properties=finding.properties(properties or {}),
            description=description,
            framework=model_framework,
            framework_version=model_framework_version,
            more=extras(datasets, sample_input_dataset, sample_output_dataset, resource_configuration),
        )
        return _of(workspace, workspace._service.models.register(workspace.name, new))

    @staticmethod
    def list(
        workspace: Workspace,
        name: str | None = None,
        tags: Filter = None,
        properties: Filter = None,
        run_id: str | None = None,
        latest: bool = False,
        dataset_id: str | None = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: str | None = None,
    ) -> list[Model]:
        """The versions that are registered, the newest first.

        Args:
            name: of that name only.
            tags: that have these tags: keys, or pairs of key and value, as ``["stage", ["area", "kr"]]``.
            properties: the same of properties.
            run_id: that this run has registered.
            latest: of each name only the latest version.
            dataset_id: that were registered with this data set.
            model_framework: of that framework.
        """
        found = workspace._service.models.list(workspace.name, name=name, run=run_id, latest=latest)
        return [
            _of(workspace, one)
            for one in found
            if _has(one.tags, tags)
            and _has(one.properties, properties)
            and model_framework in (None, one.framework)
            and (dataset_id is None or dataset_id in [id for _, id in one.more.get("datasets", [])])
        ]

    @staticmethod
    def get_model_path(model_name: str, version: int | str | None = None, _workspace: Any = None) -> str:
        """The local path of a model, which is downloaded to ``azureml-models/<name>/<version>`` when it is
        not there yet.

        Args:
            version: the latest by default.

        Raises:
            ModelNotFoundException: there is no such model; the message names those that there are.
        """
        from runstone.sdk.workspace import Workspace  # a workspace lists models

        workspace = _workspace or Workspace.from_config()
        return model_files.cached(workspace, _one(workspace, model_name, version))

    @staticmethod
    def deserialize(workspace: Workspace, model_payload: Mapping[str, Any]) -> Model:
        """The model of what ``serialize`` gave, fetched now."""
        return Model(workspace, id=str(model_payload.get("id")))

    def download(
        self, target_dir: str | Path = ".", exist_ok: bool = False, exists_ok: bool | None = None
    ) -> str:
        """Download the file or the folder into a directory, which is made when it is not there.

        Args:
            exist_ok: overwrite files that are there; other files in the folder stay.
            exists_ok: the original's older word for ``exist_ok``.

        Returns:
            The path of the file or the folder.

        Raises:
            WebserviceException: it is there already, and not ``exist_ok``; nothing is written.
            UserErrorException: a symbolic link or no regular file stands where a file is to be written.
        """
        overwrite = exist_ok if exists_ok is None else exists_ok
        return model_files.download(self.workspace, self._record, Path(target_dir), overwrite=overwrite)

    def add_tags(self, tags: Mapping[str, Any] | str) -> None:
        """Add or replace tags, all of them or none; the others stay."""
        self._change(model.ModelChange(tags=finding.tags(tags)))

    def remove_tags(self, tags: Sequence[str] | str) -> None:
        """Remove tags; a key that is not there is passed over."""
        self._change(model.ModelChange(untag=tuple(finding.keys(tags))))

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Add permanent properties.

        Raises:
            UserErrorException: a key exists with another value; then nothing of the call is kept.
        """
        self._change(model.ModelChange(properties=finding.properties(properties)))

    def update_tags_properties(
        self,
        add_tags: Mapping[str, Any] | None = None,
        remove_tags: Sequence[str] | None = None,
        add_properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Add tags, remove tags, add properties: all of it, or nothing when something is refused."""
        self._change(
            model.ModelChange(
                tags=finding.tags(add_tags or {}),
                untag=tuple(finding.keys(remove_tags or [])),
                properties=finding.properties(add_properties or {}),
            )
        )

    def update(
        self,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
    ) -> None:
        """Replace what is given: all tags by these, the description, the samples; None leaves as it is."""
        new = finding.tags(tags or {})
        gone = () if tags is None else tuple(key for key in self.tags if key not in new)
        more = extras(None, sample_input_dataset, sample_output_dataset, resource_configuration)
        self._change(model.ModelChange(tags=new, untag=gone, description=description, more=more))

    def add_dataset_references(self, datasets: Sequence[Any]) -> None:
        """Add pairs of a word and a data set, as ``("training data", dataset)``."""
        pairs = [
            *self._record.more.get("datasets", []),
            *extras(datasets, None, None, None).get("datasets", []),
        ]
        once = [list(pair) for pair in dict.fromkeys(map(tuple, pairs))]
        self._change(model.ModelChange(more={"datasets": once}))

    def delete(self) -> None:
        """Delete this version; its number is not given again, and the run that made it keeps its files."""
        self.workspace._service.models.delete(self.workspace.name, self.name, version=self.version)

    @staticmethod
    def deploy(
        workspace: Workspace,
        name: str,
        models: Any,
        inference_config: Any = None,
        deployment_config: Any = None,
        deployment_target: Any = None,
        overwrite: bool = False,
        show_output: bool = False,
    ) -> NoReturn:
        """Refused: Runstone serves no models."""
        _serves_none("deploy")

    @staticmethod
    def package(
        workspace: Workspace,
        models: Any,
        inference_config: Any = None,
        generate_dockerfile: bool = False,
        image_name: str | None = None,
        image_label: str | None = None,
    ) -> NoReturn:
        """Refused: Runstone builds no images."""
        _serves_none("package")

    @staticmethod
    def profile(
        workspace: Workspace,
        profile_name: str,
        models: Any,
        inference_config: Any,
        input_dataset: Any,
        cpu: float | None = None,
        memory_in_gb: float | None = None,
        description: str | None = None,
    ) -> NoReturn:
        """Refused: Runstone serves no models."""
        _serves_none("profile")

    @staticmethod
    def print_configuration(
        models: Any, inference_config: Any, deployment_config: Any, deployment_target: Any
    ) -> NoReturn:
        """Refused: Runstone serves no models."""
        _serves_none("print_configuration")

    def get_sas_urls(self) -> NoReturn:
        """Refused: an embedded history has no signed addresses; ``download`` gives the files."""
        _serves_none("get_sas_urls")

    def _change(self, wanted: model.ModelChange) -> None:
        self._record = self.workspace._service.models.change(
            self.workspace.name, self.name, version=self.version, wanted=wanted
        )


def extras(datasets: Any, sample_input: Any, sample_output: Any, resources: Any) -> dict[str, Any]:
    """What else a model is registered with: data sets by their ids, what it needs as it was given."""
    found = {
        "datasets": _pairs(datasets),
        "sample_input_dataset": sample_input and _id(sample_input),
        "sample_output_dataset": sample_output and _id(sample_output),
        "resource_configuration": resources
        and {
            name: value
            for name, value in (resources if isinstance(resources, Mapping) else vars(resources)).items()
            if isinstance(value, (str, int, float, bool))
        },
    }
    return {name: value for name, value in found.items() if value}


def _of(workspace: Workspace, record: model.Model) -> Model:
    made = Model.__new__(Model)
    made.workspace, made._record = workspace, record
    return made


def _one(workspace: Workspace, name: str, version: Any) -> model.Model:
    try:
        return workspace._service.models.get(workspace.name, name, version=_number(version))
    except (NotFound, Gone) as error:
        raise ModelNotFoundException(f"ModelNotFound: {error.message}", status_code=error.status) from None


def _missing(workspace: Workspace, asked: Mapping[str, Any]) -> ModelNotFoundException:
    there = [model.id for model in Model.list(workspace)]
    more = f" and {len(there) - 20:,} more" if len(there) > 20 else ""
    return ModelNotFoundException(
        f"ModelNotFound: No model of {workspace.name!r} has {asked}; there are: "
        f"{', '.join(there[:20]) or 'none yet'}{more}.",
        status_code=404,
    )


def _has(found: Mapping[str, str | None], wanted: Filter) -> bool:
    """Whether all that is wanted is there: keys, or keys with their values."""
    if isinstance(wanted, str):
        wanted = [wanted]
    pairs = wanted.items() if isinstance(wanted, Mapping) else (wanted or [])
    for one in pairs:
        key, value = (one, None) if isinstance(one, str) else (one[0], one[1])
        if str(key) not in found or (value is not None and found[str(key)] != str(value)):
            return False
    return True


def _number(version: Any) -> int | None:
    if version is None or version == "latest":
        return None
    if not str(version).isascii() or not str(version).isdigit():
        raise UserErrorException(f"A model's version is a number from 1, or 'latest'; got {version!r}.")
    return int(version)


def _pairs(datasets: Any) -> list[list[str]]:
    try:
        return [[str(purpose), _id(dataset)] for purpose, dataset in datasets or []]
    except (TypeError, ValueError):
        raise UserErrorException(
            f"datasets are pairs of a word and a data set, like ('training data', dataset); got {datasets!r}."
        ) from None


def _id(dataset: Any) -> str:
    return str(getattr(dataset, "id", dataset))


def _serves_none(call: str) -> NoReturn:
    raise UserErrorException(
        f"Model.{call} needs the original's cloud: Runstone keeps models and does not serve them. "
        f"Model.download gives the files to whatever serves yours."
    )
