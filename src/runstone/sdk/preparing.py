"""From an environment to what is to be installed: which requirements, which Python, and what cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from runstone.model.errors import UserErrorException
from runstone.model.requirements import UNASKED, Specification, merged, name_of
from runstone.sdk.handle import warn

if TYPE_CHECKING:
    from runstone.sdk.environment import Environment

OLDEST = (3, 10)
# What these serve, Runstone serves by the same names; the originals beside it would be two kinds of classes.
_SERVED = re.compile(r"azureml-(defaults|core|sdk|widgets|telemetry|mlflow|train.*)")


def plan(environment: Environment) -> dict[str, Any]:
    """What the launching machine needs to know: a Python version (empty: the submitting interpreter's),
    requirements in pip's words, or the interpreter that somebody else looks after."""
    _warn_of_containers(environment)
    python = environment.python
    managed = bool(python.user_managed_dependencies)
    return {
        "name": environment.name,
        "version": environment.version,
        "python": {
            "version": "" if managed else _version(environment),
            "requirements": [] if managed else _requirements(environment),
            "user_managed_dependencies": managed,
            "interpreter_path": str(python.interpreter_path or "python"),
        },
        "environment_variables": {
            str(name): str(value) for name, value in (environment.environment_variables or {}).items()
        },
    }


def warn_of_conda(environment: Environment) -> None:
    """Say early what conda alone could install: using the environment is refused."""
    unknown = [each for each in _conda(environment) if each.for_pip() is None]
    if unknown:
        warn(_refusal(environment, unknown))


def _requirements(environment: Environment) -> list[str]:
    conda = _conda(environment)
    unknown = [each for each in conda if each.for_pip() is None]
    if unknown:
        raise UserErrorException(_refusal(environment, unknown))
    dependencies = environment.python.conda_dependencies
    lines = [*dependencies.pip_options, *dependencies.pip_packages] if dependencies else []
    translated = [line for each in conda if (line := each.for_pip())]
    # what stands in the pip part stands over what conda was asked for
    return merged([*translated, *_without_originals(lines)])


def _conda(environment: Environment) -> list[Specification]:
    dependencies = environment.python.conda_dependencies
    found = [Specification.of(part) for part in dependencies.conda_packages] if dependencies else []
    return [each for each in found if not each.carried]


def _refusal(environment: Environment, unknown: Iterable[Specification]) -> str:
    listed = ", ".join(f"{each.name}{each.version}" for each in unknown)
    return (
        f"The environment {environment.name!r} asks conda for {listed}; Runstone installs with pip, and does "
        f"not know these on the package index. Name what does the same in the pip part (add_pip_package), or "
        f"make the environment with conda and use it: Environment.from_existing_conda_environment(name, "
        f"'its-name')."
    )


def _without_originals(lines: Iterable[str]) -> list[str]:
    kept = []
    for line in lines:
        name = name_of(line)
        if name.startswith("azureml-") and not _SERVED.fullmatch(name):
            warn(f"{line} is not installed: Runstone has the azureml names itself, and nothing of that one.")
        if not name.startswith("azureml-") and not re.fullmatch(r"runstone\s*([=<>!~].*)?", line):
            kept.append(line)
    return kept


def _version(environment: Environment) -> str:
    dependencies = environment.python.conda_dependencies
    version = (dependencies.get_python_version() if dependencies else None) or ""
    number = re.match(r"(\d+)\.(\d+)", version)
    if version in UNASKED or not version:
        return ""
    if number and (int(number[1]), int(number[2])) < OLDEST:
        raise UserErrorException(
            f"The environment {environment.name!r} asks for Python {version}; Runstone's part of a script "
            f"needs "
            f"{'.'.join(map(str, OLDEST))} or later: python.conda_dependencies.set_python_version('3.11')."
        )
    if not number and version[0] not in "<>!~" and not re.fullmatch(r"3(\.\*)?", version):
        raise UserErrorException(
            f"The environment {environment.name!r} asks for Python {version!r}; write it as '3.12'."
        )
    return version.removesuffix(".*")


def _warn_of_containers(environment: Environment) -> None:
    docker = environment.docker
    if docker.enabled or docker.base_dockerfile or docker.build_context:
        warn(
            f"The environment {environment.name!r} asks for a container; Runstone runs the script without "
            f"one, with the same Python packages."
        )
