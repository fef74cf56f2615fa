"""RunConfiguration: how a script is run, as ``.runconfig`` files say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from runstone.model.errors import UserErrorException
from runstone.model.jobs import LOCAL
from runstone.model.yaml_documents import read_yaml, write_yaml
from runstone.sdk import sections
from runstone.sdk.conda_dependencies import FILE as CONDA_FILE
from runstone.sdk.conda_dependencies import CondaDependencies
from runstone.sdk.environment import Environment, definition, from_definition

FOLDER, OLD = ".azureml", "aml_config"
# Where files are looked for below a project, in this order: `folder attach` writes into the first one.
FOLDERS = (".runstone", FOLDER, OLD, "")
ENVIRONMENT_FILE = "environment.yml"
EXTENSION = ".runconfig"
# What people set as the image of a container; a label here, for Runstone starts none.
DEFAULT_CPU_IMAGE = "azureml/openmpi4.1.0-ubuntu22.04"
DEFAULT_GPU_IMAGE = "azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04"


class RunConfiguration:
    """What is run, where, and with which environment; the rest of the original's settings is kept for it.

    Args:
        script: the script's path in the source directory.
        arguments: its arguments.
        framework: ``Python`` and others of the original.
        communicator: ``None``, ``Mpi`` and others of the original.
        conda_dependencies: the environment's packages.
        command: a command instead of script and arguments.

    An attribute that it does not have is an AttributeError: a word spelled wrongly is not lost silently.
    """

    FIELDS: ClassVar[tuple[str, ...]] = (
        "script",
        "arguments",
        "command",
        "target",
        "framework",
        "communicator",
        "max_run_duration_seconds",
        "node_count",
        "priority",
        "environment",
        "history",
        "spark",
        "docker",
        "hdi",
        "tensorflow",
        "mpi",
        "pytorch",
        "paralleltask",
        "data_references",
        "data",
        "datacaches",
        "output_data",
        "source_directory_data_store",
        "amlcompute",
        "kubernetescompute",
        "credential_passthrough",
        "services",
    )
    __slots__ = (
        *(name for name in FIELDS if name != "target"),
        "_more",
        "_name",
        "_path",
        "_prepare",
        "_target",
    )

    def __init__(
        self,
        script: str | None = None,
        arguments: Any = None,
        framework: str | None = None,
        communicator: str | None = None,
        conda_dependencies: CondaDependencies | None = None,
        _history_enabled: bool | None = None,
        _path: Any = None,
        _name: str | None = None,
        command: Any = None,
    ) -> None:
        self._set_what(script, arguments, command)
        self._target: str = LOCAL
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self.max_run_duration_seconds: float | None = None
        self.node_count = 1
        self.priority: int | None = None
        self.environment = Environment(None)
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self._set_sections()
        self._set_data()
        if _history_enabled is not None:
            self.history.output_collection = _history_enabled
        self._path = Path(_path) if _path else None
        self._name = _name
        self._prepare: bool | None = None
        self._more: dict[str, Any] = {}

    @staticmethod
    def load(path: str | Path, name: str | None = None) -> RunConfiguration:
        """The run configuration in a file: of ours or of Azure ML SDK v1, YAML or JSON.

        Args:
            path: the file; or a project's directory, in which ``.runstone``, ``.azureml``, ``aml_config`` and
            the directory itself are looked through.
            name: the file's name, with or without ``.runconfig``.

        Raises:
            UserErrorException: there is no such file, or it cannot be read.
        """
        file = _find(Path(path), name)
        if file is None:
            failed = f"Failed to load RunConfiguration from path={path} name={name}"
            raise UserErrorException(f"{failed}: {_there(Path(path), name)}")
        root = file.parent.parent if file.parent.name in FOLDERS else file.parent
        document = _read(file)
        made = RunConfiguration(_path=root, _name=file.name)
        made._fill(document, [root, file.parent])
        return made

    @staticmethod
    def delete(path: str | Path, name: str) -> None:
        """Remove a run configuration's file.

        Raises:
            UserErrorException: there is none of that name.
        """
        file = _find(Path(path), name)
        if file is None:
            raise UserErrorException(f"Run config {name} not found in {Path(path).resolve()}")
        file.unlink()

    def save(
        self, path: str | Path | None = None, name: str | None = None, separate_environment_yaml: bool = False
    ) -> None:
        """Write it below ``.azureml`` (or ``aml_config``, where that exists), with its conda file.

        Args:
            path: the project's directory; by default that of the file it was loaded from, else the current
            one.
            name: the file's name as it is to be, extension and all.
            separate_environment_yaml: write the environment to ``environment.yml``, and its name here.

        Raises:
            UserErrorException: no name was given, here or before.
            FileNotFoundError: there is no such directory.
        """
        named = name or self._name
        if not named:
            raise UserErrorException("Cannot save a runconfig without a name specified")
        if Path(named).name != named:
            raise UserErrorException(f"The name of a runconfig is a file's name, and no path; got {named!r}.")
        root = Path(path or self._path or ".")
        folder = _folder(root)
        document = sections.as_document(self)
        document["environment"] = self._saved_environment(folder, named)
        if separate_environment_yaml:
            (folder / ENVIRONMENT_FILE).write_text(write_yaml(document["environment"]), encoding="utf-8")
            document["environment"] = f"{folder.name}/{ENVIRONMENT_FILE}"
        if self._prepare is not None:
            document["autoPrepareEnvironment"] = self._prepare
        (folder / named).write_text(write_yaml(document), encoding="utf-8")
        self._path, self._name = root, named

    @property
    def target(self) -> str:
        """The name of the compute target; a target itself may be given too."""
        return self._target

    @target.setter
    def target(self, target: Any) -> None:
        self._target = getattr(target, "name", target)

    @property
    def environment_variables(self) -> dict[str, str]:
        """The variables of its environment."""
        return self.environment.environment_variables

    @environment_variables.setter
    def environment_variables(self, variables: dict[str, str]) -> None:
        self.environment.environment_variables = variables

    @property
    def auto_prepare_environment(self) -> bool:
        """The original's deprecated switch: an environment that needs to be made is always made."""
        return self._prepare is not False

    @auto_prepare_environment.setter
    def auto_prepare_environment(self, prepare: bool) -> None:
        self._prepare = prepare

    def __repr__(self) -> str:
        return write_yaml(sections.as_document(self))

    def _set_what(self, script: str | None, arguments: Any, command: Any) -> None:
        self.script = script
        self.arguments: Any = arguments if isinstance(arguments, str) else list(arguments or ())
        self.command: Any = command

    def _set_sections(self) -> None:
        self.history = sections.HistoryConfiguration()
        self.spark = sections.SparkConfiguration()
        self.docker = sections.DockerConfiguration()
        self.hdi = sections.HdiConfiguration()
        self.tensorflow = sections.TensorflowConfiguration()
        self.mpi = sections.MpiConfiguration()
        self.pytorch = sections.PyTorchConfiguration()
        self.paralleltask = sections.ParallelTaskConfiguration()
        self.amlcompute = sections.AmlComputeConfiguration()
        self.kubernetescompute = sections.KubernetesComputeConfiguration()

    def _set_data(self) -> None:
        self.data_references: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        self.datacaches: list[Any] = []
        self.output_data: dict[str, Any] = {}
        self.source_directory_data_store: str | None = None
        self.credential_passthrough = False
        self.services: dict[str, Any] = {}

    def _fill(self, document: dict[str, Any], folders: list[Path]) -> None:
        environment = document.pop("environment", None)
        variables = document.pop("environmentVariables", None)
        self._prepare = document.pop("autoPrepareEnvironment", None)
        sections.fill(self, document)
        if isinstance(environment, str):
            file = next(
                (folder / environment for folder in folders if (folder / environment).is_file()), None
            )
            if file is None:
                raise UserErrorException(
                    f"The runconfig names the environment {environment!r}, which is no file."
                )
            environment, folders = _read(file), [*folders, file.parent]
        if environment is not None:
            self.environment = from_definition(environment, folders)
        if isinstance(variables, dict):
            self.environment_variables |= {str(key): str(value) for key, value in variables.items()}

    def _saved_environment(self, folder: Path, named: str) -> dict[str, Any]:
        """The environment's document, its conda part in a file of its own beside it."""
        document = definition(self.environment)
        dependencies = document["python"].pop("condaDependencies", None)
        if dependencies is not None:
            file = _conda_file(folder, named, CondaDependencies(_underlying_structure=dependencies))
            document["python"]["condaDependenciesFile"] = f"{folder.name}/{file.name}"
        return document


def _conda_file(folder: Path, named: str, dependencies: CondaDependencies) -> Path:
    """Write the conda file; one that says the same, or that another run configuration names, stays as it
    is."""
    file = folder / CONDA_FILE
    if file.is_file() and _says(file, dependencies):
        return file
    others = (each for each in folder.glob(f"*{EXTENSION}") if each.name != named)
    if file.is_file() and any(map(_names_conda_file, others)):
        file = folder / f"{named.removesuffix(EXTENSION)}.{CONDA_FILE}"
    dependencies.save(file)
    return file


def _says(file: Path, dependencies: CondaDependencies) -> bool:
    try:
        return CondaDependencies(file) == dependencies
    except UserErrorException:
        return False


def _names_conda_file(file: Path) -> bool:
    return f"/{CONDA_FILE}" in file.read_text(encoding="utf-8", errors="replace")


def _folder(root: Path) -> Path:
    """Where the files of a project are written; the project has to be there."""
    if not root.is_dir():
        raise FileNotFoundError(f"There is no directory {str(root)!r}; make it, or give the project's.")
    old = root / OLD
    if root.resolve().name in FOLDERS:
        return root
    folder = old if old.is_dir() and not (root / FOLDER).is_dir() else root / FOLDER
    folder.mkdir(exist_ok=True)
    return folder


def _find(path: Path, name: str | None) -> Path | None:
    if name is None:
        return path if path.is_file() else None
    candidates = [path / folder / file for folder in FOLDERS for file in (name, name + EXTENSION)]
    return next((file for file in candidates if file.is_file()), None)


def _there(path: Path, name: str | None) -> str:
    if name is None:
        return "there is no such file."
    files = (file for folder in FOLDERS for file in (path / folder).glob(f"*{EXTENSION}"))
    known = ", ".join(sorted({file.stem for file in files}))
    if known:
        return f"there is no {name.removesuffix(EXTENSION)}{EXTENSION}; there are: {known}."
    return f"there is no {EXTENSION} file; `runstone folder attach` writes two to begin with."


def _read(file: Path) -> dict[str, Any]:
    found = read_yaml(file.read_text(encoding="utf-8-sig", errors="replace"), f"file {file}")
    if not isinstance(found, dict):
        raise UserErrorException(f"{file} is no run configuration: it has to hold keys and values.")
    return found
