"""``runstone folder attach``: a folder that knows its workspace and its experiment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import lazy, options
from runstone.cli.opening import Scope
from runstone.cli.output import Output, writing

if TYPE_CHECKING:
    from runstone.sdk.run_configuration import RunConfiguration

FOLDER = ".runstone"
TARGETS = {"local.runconfig": "local", "cluster.runconfig": "cluster"}

folder = lazy.Group(
    name="folder",
    lazy={"attach": ("folder:attach", "Have a folder know its workspace and its experiment.")},
    help="A folder that knows its workspace and its experiment.",
)


@click.command("attach")
@options.experiment("The experiment of what is started here; the folder's name by default.")
@options.scope
@options.output
@options.common
def attach(scope: Scope, out: Output, *, experiment_name: str | None) -> None:
    """Have a folder know its workspace and its experiment: commands and scripts below it need not say them.

    Writes config.json, two run configurations to begin with and a conda file into .runstone/. What is
    there already stays, but for config.json. The workspace is made if there is none of the name.

    \b
    runstone folder attach -w myworkspace -e myexperiment
    runstone folder attach --path project
    """
    from runstone.model.names import experiment_name as checked  # loaded by the commands that need it

    workspace = scope.made()
    experiment = checked(experiment_name or scope.place.experiment)
    file = scope.path / FOLDER / "config.json"
    with writing(file):
        workspace.write_config(scope.path)
        file.write_text(_with_experiment(file, experiment), encoding="utf-8")
        written = [_saved(scope.path / FOLDER, name, target) for name, target in TARGETS.items()]
    found = {
        "workspace": workspace.name,
        "experiment": experiment,
        "history": workspace.location,
        "path": str(scope.path.resolve()),
        "subscriptionId": workspace.subscription_id,
        "resourceGroup": workspace.resource_group,
        "files": sorted(["config.json", "conda_dependencies.yml", *written]),
    }
    out.show(found)


def _with_experiment(file: Path, experiment: str) -> str:
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return json.dumps({**values, "experiment": experiment}, indent=2) + "\n"


def _saved(folder: Path, name: str, target: str) -> str:
    if not (folder / name).exists():
        _configuration(target).save(folder, name)
    return name


def _configuration(target: str) -> RunConfiguration:
    from runstone.sdk.run_configuration import RunConfiguration  # see attach()

    made = RunConfiguration()
    made.target = target
    made.environment.environment_variables = {}
    return made
