"""The parts of environments and run configurations, and what they are called in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from runstone.model.errors import Invalid
from runstone.sdk.conda_dependencies import CondaDependencies


@dataclass(slots=True)
class Registry:
    """Where a container image is kept."""

    address: str | None = None
    username: str | None = None
    password: str | None = None
    registry_identity: Any = None
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Platform:
    """The operating system and processor of a container image."""

    os: str = "Linux"
    architecture: str = "amd64"
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class DockerSection:
    """The container of an environment: kept for other systems, not used by Runstone."""

    enabled: bool = False
    base_image: str | None = None
    base_dockerfile: str | None = None
    build_context: Any = None
    shared_volumes: bool = True
    shm_size: str | None = None
    arguments: list[str] = field(default_factory=list)
    base_image_registry: Registry = field(default_factory=Registry)
    platform: Platform = field(default_factory=Platform)
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class PythonSection:
    """The interpreter of an environment, and what it can import.

    With ``user_managed_dependencies`` the interpreter at ``interpreter_path`` is used as it is (``python``:
    the one that submits); otherwise one is made with ``conda_dependencies``.
    """

    user_managed_dependencies: bool = False
    interpreter_path: str = "python"
    conda_dependencies_file: str | None = None
    base_conda_environment: str | None = None
    conda_dependencies: CondaDependencies = field(default_factory=CondaDependencies)
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class SparkSection:
    """Spark's packages: kept for other systems."""

    repositories: list[str] = field(default_factory=list)
    packages: list[Any] = field(default_factory=list)
    precache_packages: bool = True
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class HistoryConfiguration:
    """What is kept of a run. Runstone keeps ``outputs`` and ``logs`` always."""

    output_collection: bool = True
    snapshot_project: bool = True
    directories_to_watch: list[str] = field(default_factory=lambda: ["logs"])
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class SparkConfiguration:
    """Spark's settings: kept for other systems."""

    configuration: dict[str, Any] = field(default_factory=dict)
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class DockerConfiguration:
    """Whether a run is to be in a container: kept for other systems."""

    use_docker: bool = False
    shared_volumes: bool = True
    arguments: list[str] = field(default_factory=list)
    shm_size: str | None = None
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class HdiConfiguration:
    """HDInsight's settings: kept for other systems."""

    yarn_deploy_mode: str = "cluster"
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class TensorflowConfiguration:
    """How many processes a TensorFlow job has."""

    worker_count: int = 1
    parameter_server_count: int = 1
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class MpiConfiguration:
    """How many processes an MPI job has."""

    process_count_per_node: int = 1
    node_count: int = 1
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class PyTorchConfiguration:
    """How many processes a PyTorch job has, and how they talk."""

    communication_backend: str = "nccl"
    process_count: int | None = None
    node_count: int = 1
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class ParallelTaskConfiguration:
    """How many workers a parallel task has."""

    max_retries_per_worker: int = 0
    worker_count_per_node: int = 1
    terminal_exit_codes: list[int] | None = None
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class AmlComputeConfiguration:
    """The machine of a run in the original's cloud: kept for other systems."""

    vm_size: str | None = None
    vm_priority: str | None = None
    retain_cluster: bool = False
    name: str | None = None
    cluster_max_node_count: int | None = None
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class KubernetesComputeConfiguration:
    """The kind of machine in a Kubernetes cluster: kept for other systems."""

    instance_type: str | None = None
    _more: dict[str, Any] = field(default_factory=dict, repr=False)


def attributes(section: Any) -> tuple[str, ...]:
    """The names of what a section holds, in their order in files."""
    listed = getattr(type(section), "FIELDS", None)
    return listed or tuple(each.name for each in fields(section) if not each.name.startswith("_"))


def as_document(section: Any) -> dict[str, Any]:
    """A section as files have it: camelCase keys, and what was in the file and is not known here."""
    found = {key_of(name): _plain(getattr(section, name)) for name in attributes(section)}
    return {**found, **section._more}


def fill(section: Any, document: Any) -> None:
    """Set a section from what a file has; keys that are not known are kept for writing it again.

    Raises:
        Invalid: there is something else where a section has to be.
    """
    if not isinstance(document, Mapping):
        raise Invalid(f"{type(section).__name__} has to be a mapping of keys to values; got {document!r}.")
    known = {key_of(name): name for name in attributes(section)}
    for key, value in document.items():
        if key not in known:
            section._more[str(key)] = value
        else:
            _set(section, known[key], value)


def key_of(name: str) -> str:
    """An attribute's name as files spell it: ``node_count`` is ``nodeCount``."""
    if name == "services":
        return "applicationEndpoints"
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _set(section: Any, name: str, value: Any) -> None:
    present = getattr(section, name)
    if isinstance(present, CondaDependencies):
        if value is not None:
            setattr(section, name, CondaDependencies(_underlying_structure=value))
    elif not _is_section(present):
        setattr(section, name, value)
    elif value is not None:
        fill(present, value)


def _plain(value: Any) -> Any:
    if isinstance(value, CondaDependencies):
        return value.as_dict()
    return as_document(value) if _is_section(value) else value


def _is_section(value: Any) -> bool:
    return is_dataclass(value) or hasattr(type(value), "FIELDS")
