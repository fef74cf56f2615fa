"""CondaDependencies: the Python version and the packages of an environment, as a conda file says them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runstone.model.errors import Invalid
from runstone.model.requirements import Specification, merged, name_of
from runstone.model.yaml_documents import read_yaml, write_yaml

FILE = "conda_dependencies.yml"
DEFAULTS = "azureml-defaults"
# What the original writes where nobody has asked for a version.
DEFAULT_PYTHON = "3.8.13"
PINNED = "~=1.61.0"


class PipPart:
    """The part of a conda file that pip installs: options and packages."""

    def __init__(self, structure: dict[str, Any]) -> None:
        self._structure = structure

    @property
    def pip_packages(self) -> list[str]:
        """The packages that pip installs, in their order."""
        return [line for line in self._pip() if not line.startswith("--")]

    @property
    def pip_options(self) -> list[str]:
        """The options that pip is given, as ``--index-url ...``."""
        return [line for line in self._pip() if line.startswith("--")]

    def add_pip_package(self, pip_package: str) -> None:
        """Have pip install a package; one of the same name that is there already gives way."""
        self._set_pip(merged([*self._pip(), str(pip_package).strip()]))

    def remove_pip_package(self, pip_package: str) -> None:
        """Have pip no longer install a package; its version does not matter."""
        name = name_of(pip_package)
        self._set_pip(
            [line for line in self._pip() if line != pip_package and (not name or name_of(line) != name)]
        )

    def set_pip_index_url(self, index_url: str) -> None:
        """Have pip look in this index instead of the usual one.

        A name in the address, as ``${TOKEN}``, is taken from the environment when the environment is made.
        """
        self.remove_pip_option("--index-url")
        self.set_pip_option(f"--index-url {index_url}")

    def set_pip_option(self, pip_option: str) -> None:
        """Give pip an option, as ``--extra-index-url https://...``."""
        option = str(pip_option).strip()
        if not option.startswith("--"):
            raise Invalid(f"An option of pip begins with '--'; got {pip_option!r}.")
        if option not in self._pip():
            self._set_pip([option, *self._pip()])

    def remove_pip_option(self, pip_option: str) -> None:
        """Take an option away, with or without its value."""
        word = str(pip_option).split()[0]
        self._set_pip(
            [line for line in self._pip() if line != pip_option and line.replace("=", " ").split()[0] != word]
        )

    def set_pip_requirements(self, pip_requirements: Iterable[str]) -> None:
        """Have pip install these and nothing else."""
        self._set_pip([str(line).strip() for line in pip_requirements])

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """Have pip install TensorFlow; the package for both kinds of cores is one."""
        self.add_pip_package(f"tensorflow=={version}" if version else "tensorflow")

    def _pip(self) -> list[str]:
        for part in self._structure["dependencies"]:
            if isinstance(part, dict):
                return list(part.get("pip") or [])
        return []

    def _set_pip(self, lines: list[str]) -> None:
        parts = self._structure["dependencies"]
        for part in parts:
            if isinstance(part, dict):
                part["pip"] = lines
                return
        parts.append({"pip": lines})


class CondaDependencies(PipPart):
    """What a conda file says: a Python version, packages for conda and for pip, channels.

    Runstone installs with pip: packages that are on the package index under a name known to it are installed
    from there, for others it says what can be done when the environment is used.

    Args:
        conda_dependencies_file_path: a conda file to begin with.

    Raises:
        UserErrorException: the file cannot be read, or is no conda file.
    """

    DEFAULT_NUMBER_OF_CONDA_PACKAGES = 0
    DEFAULT_NUMBER_OF_PIP_PACKAGES = 1

    def __init__(
        self, conda_dependencies_file_path: str | Path | None = None, _underlying_structure: Any = None
    ) -> None:
        if conda_dependencies_file_path is not None:
            _underlying_structure = _read(Path(conda_dependencies_file_path))
        super().__init__(_checked(_underlying_structure or _default()))

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: Iterable[str] | None = None,
        conda_packages: Iterable[str] | None = None,
        python_version: str = "3.10.18",
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """Dependencies with these packages.

        Args:
            pip_indexurl: an index instead of the usual one.
            pip_packages: what pip is to install.
            conda_packages: what conda is to install.
            python_version: the version of Python; the default means the one of the submitting interpreter.
            pin_sdk_version: write a version behind ``azureml-defaults``, as the original does.
        """
        made = CondaDependencies()
        made.set_python_version(python_version)
        if pin_sdk_version:
            made.add_pip_package(DEFAULTS + PINNED)
        for package in pip_packages or ():
            made.add_pip_package(package)
        for package in conda_packages or ():
            made.add_conda_package(package)
        if pip_indexurl:
            made.set_pip_index_url(pip_indexurl)
        return made

    @staticmethod
    def merge_requirements(requirements: Iterable[str]) -> list[str]:
        """The same requirements, one for each package: the last one."""
        return merged(requirements)

    @property
    def conda_packages(self) -> list[str]:
        """The packages that conda is asked for, Python itself aside."""
        return [part for part in self._conda() if Specification.of(part).name != "python"]

    @property
    def conda_channels(self) -> list[str]:
        """Where conda is to look for them."""
        return list(self._structure["channels"])

    def add_conda_package(self, conda_package: str) -> None:
        """Ask conda for a package, as ``name=1.2``; one of the same name that is there already gives way."""
        self.remove_conda_package(conda_package)
        self._structure["dependencies"].append(str(conda_package).strip())

    def remove_conda_package(self, conda_package: str) -> None:
        """No longer ask conda for a package; its version does not matter."""
        name = Specification.of(conda_package).name
        parts = self._structure["dependencies"]
        parts[:] = [part for part in parts if isinstance(part, dict) or Specification.of(part).name != name]

    def add_channel(self, channel: str) -> None:
        """Have conda look in a channel too."""
        if channel not in self._structure["channels"]:
            self._structure["channels"].append(channel)

    def remove_channel(self, channel: str) -> None:
        """Have conda no longer look in a channel."""
        self._structure["channels"] = [each for each in self._structure["channels"] if each != channel]

    def set_python_version(self, version: str) -> None:
        """Ask for a version of Python, as ``3.12`` or ``3.12.1``."""
        self.remove_conda_package("python")
        self._structure["dependencies"].insert(0, f"python={version}")

    def get_python_version(self) -> str | None:
        """The version of Python that is asked for; None for any."""
        found = [Specification.of(part) for part in self._conda()]
        return next((each.number or None for each in found if each.name == "python"), None)

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """Ask conda for TensorFlow, for ``cpu`` or ``gpu``."""
        name = "tensorflow-gpu" if core_type == "gpu" else "tensorflow"
        self.add_conda_package(f"{name}={version}" if version else name)

    def get_default_number_of_packages(self) -> int:
        """How many packages are there before any was added."""
        return self.DEFAULT_NUMBER_OF_CONDA_PACKAGES + self.DEFAULT_NUMBER_OF_PIP_PACKAGES

    def as_dict(self) -> dict[str, Any]:
        """What the conda file says, as a dictionary of its own."""
        return copy.deepcopy(self._structure)

    def serialize_to_string(self) -> str:
        """The conda file as text."""
        return write_yaml(self._structure)

    def save(self, path: str | Path | None = None) -> str:
        """Write the conda file, ``conda_dependencies.yml`` by default; its path."""
        target = Path(path or FILE)
        target.write_text(self.serialize_to_string(), encoding="utf-8")
        return str(target)

    def save_to_file(self, base_directory: str | Path, conda_file_path: str | Path | None = None) -> str:
        """Write the conda file below a directory; its path there."""
        self.save(Path(base_directory) / (conda_file_path or FILE))
        return str(conda_file_path or FILE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CondaDependencies) and self._structure == other._structure

    def __repr__(self) -> str:
        return self.serialize_to_string()

    def _conda(self) -> list[str]:
        return [part for part in self._structure["dependencies"] if not isinstance(part, dict)]


def _default() -> dict[str, Any]:
    return {
        "name": "project_environment",
        "dependencies": [f"python={DEFAULT_PYTHON}", {"pip": [DEFAULTS]}],
        "channels": ["anaconda", "conda-forge"],
    }


def _read(path: Path) -> Any:
    if not path.is_file():
        raise Invalid(f"There is no conda file {str(path)!r}; give the path of one.")
    found = read_yaml(path.read_text(encoding="utf-8-sig", errors="replace"), f"conda file {path}")
    if not isinstance(found, dict):
        raise Invalid(f"{str(path)!r} is no conda file; one begins with 'dependencies:' and lists packages.")
    return found


def _checked(given: Any) -> dict[str, Any]:
    """A conda file's content of which the rest may rely on ``dependencies`` and ``channels``."""
    if not isinstance(given, dict):
        raise Invalid("Conda dependencies are a mapping with 'dependencies' and 'channels'.")
    structure = copy.deepcopy(given)
    structure["dependencies"] = [_part(part) for part in structure.get("dependencies") or ()]
    structure["channels"] = [str(channel) for channel in structure.get("channels") or ()]
    return structure


def _part(part: Any) -> Any:
    if isinstance(part, str):
        Specification.of(part)
        return part
    if isinstance(part, dict) and set(part) == {"pip"} and isinstance(part["pip"], list | None):
        return {"pip": [str(line).strip() for line in part["pip"] or ()]}
    raise Invalid(
        f"A conda file's dependencies are packages, and 'pip:' with a list of its own; got {part!r}."
    )
