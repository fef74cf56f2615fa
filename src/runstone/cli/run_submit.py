"""``runstone run submit-script``: a script, handed over and watched."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import options, output
from runstone.cli.opening import Opened, Scope
from runstone.cli.output import Output
from runstone.cli.run_list import print_run

if TYPE_CHECKING:
    from runstone.sdk.run import Run
    from runstone.sdk.script_run_config import ScriptRunConfig


_OPTIONS = (
    options.experiment("The experiment; that of the attached folder by default, else the folder's name."),
    click.option("--run-configuration-name", "-c", help="A run configuration: NAME of NAME.runconfig."),
    click.option(
        "--conda-dependencies",
        "-d",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A conda file that says what the script needs.",
    ),
    click.option("--target", "--ct", help="Where it runs: a compute target; this machine by default."),
    click.option(
        "--source-directory",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="What is kept and run; the directory of --path by default.",
    ),
    click.option("--command", help="A command line instead of a script."),
    click.option(
        "--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the run; may be repeated."
    ),
    click.option("--async", "quiet", is_flag=True, help="Return at once, and do not show what it prints."),
    options.scope,
    options.output,
    options.common,
    click.argument("user_script_and_arguments", nargs=-1, type=click.UNPROCESSED),
)
_SETTINGS = {"ignore_unknown_options": False, "allow_interspersed_args": False}


def submitting(function: options.Function) -> options.Function:
    """What is taken by whatever hands a script over."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("submit-script", context_settings=_SETTINGS)
@submitting
def submit_script(
    scope: Scope, out: Output, *, experiment_name: str | None, quiet: bool, tags: Sequence[str], **given: Any
) -> int:
    """Hand a script over with its arguments; it runs from a copy of the source directory.

    What it prints is shown until it ends: with 0 when the run is Completed, with 1 otherwise.

    \b
    runstone run submit-script -e digits train.py --lr 0.01
    runstone run submit-script -c sklearn -e digits train.py
    runstone run submit-script --async -t run.json train.py
    runstone run submit-script --command "sh train.sh"
    """
    config = _configured(scope, given)
    config.words()  # what cannot be run is refused before anything is made
    return _submitted(scope, out, config=config, experiment=experiment_name, quiet=quiet, tags=tags)


@click.command("submit-hyperdrive", context_settings=_SETTINGS)
@click.option(
    "--hyperdrive-configuration-name",
    "sweep",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A file that says what is tried, and how far.",
)
@submitting
def submit_hyperdrive(
    scope: Scope, out: Output, *, sweep: Path, experiment_name: str | None, quiet: bool, **given: Any
) -> int:
    """Sweep a script: many runs of it with different arguments, as a YAML file says.

    The file has sampling (type: grid, random or bayesian; parameter_space), primary_metric_name,
    primary_metric_goal, max_total_runs and, if you like, policy, max_concurrent_runs, max_duration_minutes.

    \b
    runstone run submit-hyperdrive --hyperdrive-configuration-name sweep.yml -e digits train.py
    """
    from runstone.sdk.sweeps.loading import load  # loaded by the commands that need it

    tags = given.pop("tags")
    config = _configured(scope, given)
    config.words()
    wanted = load(sweep, config)
    return _submitted(scope, out, config=wanted, experiment=experiment_name, quiet=quiet, tags=tags)


def _submitted(
    scope: Scope, out: Output, *, config: Any, experiment: str | None, quiet: bool, tags: Sequence[str]
) -> int:
    from runstone.sdk.experiment import Experiment  # loaded by the commands that need it: `--help` is quick

    given = options.pairs(tags, "--tag")
    made = Experiment(scope.made(), experiment or scope.place.experiment)
    run = made.submit(config, tags=given)
    opened = Opened(made.workspace._service, made.workspace.name)
    if quiet:
        print_run(out, opened, record=run._record)
        return 0
    return _watched(out, opened, run=run)


def _watched(out: Output, opened: Opened, *, run: Run) -> int:
    output.note(f"Submitted {run.id}; Ctrl-C stops looking, not the run.")
    try:
        run.wait_for_completion(show_output=True, raise_on_error=False)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped looking; the run {run.id} goes on. `runstone run cancel -r {run.id}` ends it."
        ) from None
    record = opened.record(run.id)
    shown = out if out.asked or out.query or out.columns else out.otherwise("none")
    print_run(shown, opened, record=record)
    return 0 if run.status == "Completed" else 1


def _configured(scope: Scope, given: Mapping[str, Any]) -> ScriptRunConfig:
    from runstone.sdk.conda_dependencies import CondaDependencies  # see submit_script()
    from runstone.sdk.run_configuration import RunConfiguration
    from runstone.sdk.script_run_config import ScriptRunConfig

    words, command = given["user_script_and_arguments"], given["command"]
    if command and words:
        raise click.UsageError(f"Give a script or --command, not both: {words[0]!r}.")
    name, conda, target = (given[key] for key in ("run_configuration_name", "conda_dependencies", "target"))
    configuration = RunConfiguration() if name is None else RunConfiguration.load(scope.path, name)
    if conda is not None:
        configuration.environment.python.conda_dependencies = CondaDependencies(conda)
    if target is not None:
        configuration.target = target
    script, *arguments = words or (None,)
    return ScriptRunConfig(
        str(given["source_directory"] or scope.path),
        script=script,
        arguments=arguments or None,
        run_config=configuration,
        command=shlex.split(command) if command else None,
    )
