"""Environment: the interpreter, the packages and the variables with which a script is run."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from runstone.model.assets import Asset
from runstone.model.documents import read_json
from runstone.model.errors import NotFound, UserErrorException
from runstone.model.requirements import expanded, read_requirements
from runstone.sdk import conda_environments, preparing
from runstone.sdk.conda_dependencies import FILE as CONDA_FILE
from runstone.sdk.conda_dependencies import CondaDependencies
from runstone.sdk.sections import DockerSection, PythonSection, SparkSection, as_document, fill

if TYPE_CHECKING:
    from runstone.sdk.workspace import Workspace

KIND = "environment"
FILE = "azureml_environment.json"


class Environment:
    """An interpreter, its packages, and environment variables, under a name.

    A fresh one asks for nothing: the script is run by the interpreter that submits it. Packages and versions
    asked for are installed once into an environment that all runs with the same requirements share.

    Args:
        name: the name under which it is registered.
    """

    FIELDS: ClassVar[tuple[str, ...]] = (
        "name",
        "version",
        "environment_variables",
        "python",
        "docker",
        "spark",
        "databricks",
        "r",
        "inferencing_stack_version",
        "asset_id",
    )
    __slots__ = (*(name for name in FIELDS if name != "environment_variables"), "_more", "_variables")

    def __init__(self, name: str | None, **kwargs: Any) -> None:
        self.name = name
        self.version: str | None = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.databricks: dict[str, Any] = {}
        self.r: Any = None
        self.inferencing_stack_version: str | None = None
        self.asset_id: str | None = None
        self._variables: dict[str, str] = {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
        self._more: dict[str, Any] = {}
        for key, value in kwargs.items():
            setattr(self, key, value)

    @staticmethod
    def from_pip_requirements(
        name: str, file_path: str | Path, pip_version: str | None = None
    ) -> Environment:
        """An environment with what a requirements file lists, the files that it includes too.

        Args:
            name: the environment's name.
            file_path: the requirements file; paths in it count from its directory.
            pip_version: kept in the conda part; the installer is Runstone's.

        Raises:
            UserErrorException: a file is not there.
        """
        made = Environment(name)
        if pip_version:
            made.python.conda_dependencies.add_conda_package(f"pip={pip_version}")
        made.python.conda_dependencies.set_pip_requirements(read_requirements(Path(file_path)))
        return made

    @staticmethod
    def from_conda_specification(name: str, file_path: str | Path) -> Environment:
        """An environment with what a conda file asks for: its Python version and its pip part.

        Packages for conda itself are installed with pip where the package index is known to have them under
        that name; for others a warning says what can be done.

        Raises:
            UserErrorException: the file cannot be read, or is no conda file.
        """
        made = Environment(name)
        found = CondaDependencies(file_path)
        lines = [*found.pip_options, *found.pip_packages]
        if lines:
            found.set_pip_requirements(expanded(lines, Path(file_path).parent))
        made.python.conda_dependencies = found
        preparing.warn_of_conda(made)
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> Environment:
        """An environment whose interpreter is that of a conda environment of this machine, used as it is.

        Raises:
            UserErrorException: there is no such environment; the message names those that were found.
        """
        made = Environment(name)
        made.python.user_managed_dependencies = True
        made.python.interpreter_path = str(conda_environments.interpreter(conda_environment_name))
        return made

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: Any = None,
        conda_specification: Any = None,
        pip_requirements: Any = None,
    ) -> NoReturn:
        """Refused: Runstone starts no containers."""
        _needs_container("from_docker_image", name)

    @staticmethod
    def from_dockerfile(
        name: str, dockerfile: Any, conda_specification: Any = None, pip_requirements: Any = None
    ) -> NoReturn:
        """Refused: Runstone starts no containers."""
        _needs_container("from_dockerfile", name)

    @staticmethod
    def from_docker_build_context(name: str, docker_build_context: Any) -> NoReturn:
        """Refused: Runstone starts no containers."""
        _needs_container("from_docker_build_context", name)

    @staticmethod
    def get(
        workspace: Workspace, name: str, version: str | None = None, label: str | None = None
    ) -> Environment:
        """The registered environment of that name, its latest version by default.

        Raises:
            UserErrorException: there is none; the message names those that there are.
        """
        try:
            asset = workspace._service.assets.get(
                workspace.name, KIND, name=name, version=_number(name, version), label=label
            )
        except NotFound as error:
            if not str(name).startswith("AzureML-"):
                raise
            raise NotFound(
                f"{error.message} Those that begin with AzureML- are containers of the original's cloud; "
                f"make one of your own with Environment.from_pip_requirements."
            ) from None
        return _of_asset(asset)

    @staticmethod
    def list(workspace: Workspace) -> dict[str, Environment]:
        """The latest version of each registered environment, by name."""
        return {
            asset.name: _of_asset(asset) for asset in workspace._service.assets.list(workspace.name, KIND)
        }

    @staticmethod
    def label(workspace: Workspace, name: str, version: str, labels: Sequence[str] | str) -> None:
        """Have labels point at a version; a label that pointed at another version moves.

        Raises:
            UserErrorException: there is no such version, or the label is ``latest``.
        """
        given = [labels] if isinstance(labels, str) else list(labels)
        number = _number(name, version)
        if number is None:
            raise UserErrorException("Give the version that the labels are to point at, as '1'.")
        workspace._service.assets.label(workspace.name, KIND, name=name, version=number, labels=given)

    @staticmethod
    def load_from_directory(path: str | Path) -> Environment:
        """The environment that ``save_to_directory`` wrote.

        Raises:
            UserErrorException: there is none in that directory, or it cannot be read.
        """
        file = Path(path) / FILE
        if not file.is_file():
            raise UserErrorException(f"There is no {FILE} in {str(path)!r}; save_to_directory writes one.")
        document = read_json(file.read_text(encoding="utf-8"), f"environment {file}")
        return _of_document(document, [Path(path)])

    @staticmethod
    def add_private_pip_wheel(
        workspace: Workspace, file_path: str | Path, exist_ok: bool = False
    ) -> NoReturn:
        """Refused: a wheel is given by its path, in a requirements file or as a pip package."""
        raise UserErrorException(
            f"Runstone keeps no wheels for a workspace; add_pip_package({str(file_path)!r}) installs it from "
            f"where it is."
        )

    @property
    def environment_variables(self) -> dict[str, str]:
        """The variables that a script sees in addition."""
        return self._variables

    @environment_variables.setter
    def environment_variables(self, variables: Mapping[str, str] | None) -> None:
        if not isinstance(variables, Mapping | None):
            raise UserErrorException(
                f"environment_variables takes a dict of names and values; got {variables!r}."
            )
        self._variables = dict(variables or {})

    def register(self, workspace: Workspace) -> Environment:
        """Keep it in the workspace, as a new version if anything has changed since the latest one.

        Returns:
            The environment as it is registered, with its version.

        Raises:
            UserErrorException: it has no name, or one that cannot be.
        """
        if not self.name:
            raise UserErrorException("An environment needs a name to be registered: Environment('my-name').")
        body = {key: value for key, value in definition(self).items() if key not in ("name", "version")}
        return _of_asset(workspace._service.assets.register(workspace.name, KIND, name=self.name, body=body))

    def clone(self, new_name: str) -> Environment:
        """The same under another name, not registered yet."""
        made = copy.deepcopy(self)
        made.name, made.version = new_name, None
        return made

    def save_to_directory(self, path: str | Path, overwrite: bool = False) -> None:
        """Write it as ``azureml_environment.json`` and ``conda_dependencies.yml``.

        Raises:
            FileExistsError: the directory is there already, and not ``overwrite``.
        """
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=overwrite)
        document = definition(self)
        document["python"].pop("condaDependencies")
        document["python"]["condaDependenciesFile"] = CONDA_FILE
        (folder / FILE).write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
        self.python.conda_dependencies.save(folder / CONDA_FILE)

    def build(self, workspace: Workspace, image_build_compute: Any = None) -> NoReturn:
        """Refused: Runstone builds no images; an environment is made when a run first needs it."""
        _needs_container("build", self.name)

    def build_local(self, workspace: Workspace, platform: Any = None, **kwargs: Any) -> NoReturn:
        """Refused: Runstone builds no images; an environment is made when a run first needs it."""
        _needs_container("build_local", self.name)

    def get_image_details(self, workspace: Workspace) -> NoReturn:
        """Refused: Runstone builds no images."""
        _needs_container("get_image_details", self.name)

    def document(self) -> dict[str, Any]:
        """What the machine that runs a script has to know of it.

        Raises:
            UserErrorException: it asks for what cannot be installed; the message says what can be done.
        """
        return {**preparing.plan(self), "definition": definition(self)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Environment) and definition(self) == definition(other)

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    def __repr__(self) -> str:
        return json.dumps(definition(self), indent=4, default=str)


def definition(environment: Environment) -> dict[str, Any]:
    """An environment as files have it, its conda dependencies within, and no password of a registry."""
    found = json.loads(json.dumps(as_document(environment), default=str))
    found["docker"]["baseImageRegistry"]["password"] = None
    found["python"]["condaDependenciesFile"] = None
    return dict(found)


def from_definition(document: Any, folders: Sequence[Path] = ()) -> Environment:
    """The environment that a file or a run's definition describes.

    Args:
        document: its keys and values.
        folders: where the conda file that it may name is looked for.

    Raises:
        UserErrorException: it is malformed, or names a conda file that is not there.
    """
    return _of_document(document, folders)


def _of_document(document: Any, folders: Sequence[Path]) -> Environment:
    made = Environment(None)
    fill(made, document)
    made._variables = {str(name): str(value) for name, value in made._variables.items()}
    made.version = str(made.version) if made.version is not None else None
    python = made.python
    inline = isinstance(document.get("python"), dict) and document["python"].get("condaDependencies")
    if python.conda_dependencies_file and not inline:
        found = [folder / python.conda_dependencies_file for folder in folders]
        path = next((path for path in found if path.is_file()), None)
        if path is not None:
            python.conda_dependencies = CondaDependencies(path)
        elif not python.user_managed_dependencies:
            raise UserErrorException(
                f"The environment names the conda file {python.conda_dependencies_file!r}, which is not "
                f"there; put it beside the file that names it."
            )
    return made


def _of_asset(asset: Asset) -> Environment:
    return _of_document({**asset.body, "name": asset.name, "version": str(asset.version)}, ())


def _number(name: str, version: Any) -> int | None:
    if version is None or version == "latest":
        return None
    if not str(version).isascii() or not str(version).isdigit():
        raise NotFound(f"The {KIND} {name!r} has no version {version!r}; versions are numbers from 1.")
    return int(version)


def _needs_container(call: str, name: Any) -> NoReturn:
    raise UserErrorException(
        f"Environment.{call} of {name!r} needs containers, which Runstone does not start. Install what the "
        f"script needs with from_pip_requirements or from_conda_specification; or, inside a container of "
        f"your "
        f"own, use its interpreter: python.user_managed_dependencies = True, python.interpreter_path = '...'."
    )
