"""``runstone exec``: a script, with the names of Azure ML served and its runs ended as it ends."""

from __future__ import annotations

import importlib.util
import os
import sys

import click

from runstone.cli.options import common
from runstone.cli.script import Script


@click.command(
    "exec",
    short_help="Run a script, also one made for Azure ML SDK v1.",
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option("--experiment", "-e", "--experiment-name", help="The experiment of a run that names none.")
@click.option("--name", "-n", help="The display name of the run that `Run.get_context()` gives.")
@click.option("--module", "-m", is_flag=True, help="SCRIPT is the name of a module, as in `python -m`.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@common
def execute(
    experiment: str | None, name: str | None, *, module: bool, script: str, arguments: tuple[str, ...]
) -> Script:
    """Run a Python SCRIPT, also one that says `from azureml.core import Run`.

    It runs in this process with its ARGUMENTS, as `python SCRIPT ARGUMENTS` would: same paths, same output,
    same exit code. No Azure package is needed, and one that is installed is not used.

    \b
    runstone exec train.py --lr 0.01
    runstone exec -e digits -n "first try" -m project.train
    """
    _check(script, module)
    # read where every setting is read, and inherited by what the script starts
    for variable, value in (("RUNSTONE_EXPERIMENT", experiment), ("RUNSTONE_RUN_NAME", name)):
        if value is not None:
            os.environ[variable] = value
    return Script(script, arguments, module)


def _check(script: str, module: bool) -> None:
    if not module and not os.path.exists(script):
        raise click.UsageError(f"There is no script {script!r} here ({os.getcwd()}).")
    if module and not _found(script):
        raise click.UsageError(f"There is no module {script!r}, looked for from {os.getcwd()} on.")


def _found(module: str) -> bool:
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
    finally:
        sys.path.pop(0)
