"""``runstone environment list|show|register|download``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import lazy, options
from runstone.cli.opening import Scope
from runstone.cli.output import Output

if TYPE_CHECKING:
    from runstone.sdk.environment import Environment

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

environment = lazy.Group(
    name="environment",
    lazy={
        "list": ("environments:list_environments", "List the environments of a workspace."),
        "show": ("environments:show", "Show an environment."),
        "register": ("environments:register", "Register an environment, as a new version."),
        "download": ("environments:download", "Write an environment to a directory."),
    },
    help="Environments: interpreters and packages, registered in versions.",
)


@click.command("list")
@options.scope
@options.output
@options.common
def list_environments(scope: Scope, out: Output) -> None:
    """List the environments of a workspace, the latest version of each.

    \b
    runstone environment list
    """
    from runstone.sdk.environment import Environment  # loaded by the commands that need it

    opened = scope.look()
    found = Environment.list(opened.sdk).values() if opened else ()
    out.each(
        map(_document, found),
        table=lambda block: [{"Environment": one["name"], "Version": one["version"]} for one in block],
        none="No environments.",
    )


@click.command("show")
@click.option("--name", "-n", required=True, help="The environment's name.")
@click.option("--version", "-v", help="The version; the latest by default.")
@options.scope
@options.output
@options.common
def show(scope: Scope, out: Output, *, name: str, version: str | None) -> None:
    """Show an environment.

    \b
    runstone environment show -n sklearn
    """
    out.show(_document(_found(scope, name, version)))


@click.command("register")
@click.option("--name", "-n", help="Its name; that of --directory's by default.")
@click.option("--conda-specification", "-d", type=FILE, help="From a conda file.")
@click.option("--pip-requirements", type=FILE, help="From a requirements file.")
@click.option("--directory", type=FOLDER, help="From what `environment download` wrote.")
@options.scope
@options.output
@options.common
def register(
    scope: Scope,
    out: Output,
    *,
    name: str | None,
    conda_specification: Path | None,
    pip_requirements: Path | None,
    directory: Path | None,
) -> None:
    """Register an environment, as a new version if anything has changed since the latest one.

    \b
    runstone environment register -n sklearn --pip-requirements requirements.txt
    runstone environment register -n sklearn -d conda.yml
    """
    from runstone.sdk.environment import Environment  # loaded by the commands that need it

    if sum(one is not None for one in (conda_specification, pip_requirements, directory)) != 1:
        raise click.UsageError("Give one of --conda-specification, --pip-requirements and --directory.")
    if name is None and directory is None:
        raise click.UsageError("Say how it is called: --name.")
    if conda_specification is not None:
        made = Environment.from_conda_specification(str(name), conda_specification)
    elif pip_requirements is not None:
        made = Environment.from_pip_requirements(str(name), pip_requirements)
    else:
        made = Environment.load_from_directory(str(directory))
        made.name = name or made.name
    out.show(_document(made.register(scope.made())))


@click.command("download")
@click.option("--name", "-n", required=True, help="The environment's name.")
@click.option("--version", "-v", help="The version; the latest by default.")
@click.option("--output-dir", "-d", type=click.Path(path_type=Path), required=True, help="Where to.")
@click.option("--overwrite", is_flag=True, help="Also when the directory is there.")
@options.scope
@options.common
def download(scope: Scope, *, name: str, version: str | None, output_dir: Path, overwrite: bool) -> None:
    """Write an environment to a directory, as Azure ML SDK v1 does.

    \b
    runstone environment download -n sklearn -d sklearn
    """
    _found(scope, name, version).save_to_directory(output_dir, overwrite=overwrite)


def _found(scope: Scope, name: str, version: str | None) -> Environment:
    from runstone.sdk.environment import Environment  # loaded by the commands that need it

    return Environment.get(scope.open().sdk, name, version)


def _document(environment: Environment) -> Mapping[str, Any]:
    from runstone.sdk.environment import definition  # loaded by the commands that need it

    return definition(environment)
