"""The options that commands share: what holds for every command line, where its history is, how it prints."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runstone.cli import completing
from runstone.cli.opening import Scope
from runstone.cli.output import Output

if TYPE_CHECKING:
    from runstone.cli.queries import Query

Function = TypeVar("Function", bound=Callable[..., Any])

FORMATS = ("json", "jsonc", "ndjson", "none", "table", "tsv", "yaml", "yamlc")


@dataclass
class Session:
    """What holds for one command line, whichever command it names."""

    debug: bool = False
    verbose: bool = False
    quiet: bool = False


def where(function: Function) -> Function:
    """``--path``: the directory from which the history is looked for, as a script there would."""
    return click.option(
        "--path",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=".",
        help="The directory from whose place the history is looked for, upwards; here by default.",
    )(function)


def common(function: Function) -> Function:
    """What every command takes, behind its name as well as before it."""
    for field, text in (
        ("quiet", "Show no warnings, only errors."),
        ("verbose", "Say more of what is being done."),
        ("debug", "Show the trace of an error."),
    ):
        name = "--only-show-errors" if field == "quiet" else f"--{field}"
        note = functools.partial(_noted, field)
        function = click.option(name, field, is_flag=True, expose_value=False, callback=note, help=text)(
            function
        )
    return function


def scope(function: Function) -> Function:
    """The history and the workspace, as ``scope``: ``-w``, ``--path``, and the original's two labels."""

    @functools.wraps(function)
    def scoped(
        *arguments: Any,
        path: Path,
        workspace_name: str | None,
        resource_group: str | None,
        subscription_id: str | None,
        **more: Any,
    ) -> Any:
        labels = {"resource_group": resource_group, "subscription_id": subscription_id}
        given = {name: value for name, value in labels.items() if value}
        return function(*arguments, scope=Scope(path, workspace_name, given), **more)

    for names, text in (
        (("--subscription-id", "--subscription"), "Kept as a label: there is no cloud."),
        (("--resource-group", "-g"), "Kept as a label: there is no cloud."),
        (("--workspace-name", "-w"), "The workspace; the one that is configured, or `default`."),
    ):
        scoped = click.option(*names, help=text)(scoped)
    return where(scoped)  # type: ignore[return-value]


def output(function: Function) -> Function:
    """How data is printed, as ``out``: ``-o``, ``--query``, ``--columns``, ``-t``."""

    @functools.wraps(function)
    def printing(
        *arguments: Any,
        form: str | None,
        query: Query | None,
        columns: Sequence[str],
        output_metadata_file: Path | None,
        **more: Any,
    ) -> Any:
        return function(*arguments, out=Output(form, query, tuple(columns), output_metadata_file), **more)

    for option in (
        click.option(
            "--output-metadata-file",
            "-t",
            type=click.Path(dir_okay=False, path_type=Path),
            callback=_writable,
            help="Write the data to this file, too, as JSON.",
        ),
        click.option(
            "--columns",
            envvar="RUNSTONE_COLUMNS",
            callback=_split,
            metavar="A,B,...",
            help="Only these, e.g. `runId,status,metrics.loss`.",
        ),
        click.option("--query", envvar="RUNSTONE_QUERY", callback=_parsed, help="A JMESPath query."),
        click.option(
            "--output",
            "-o",
            "form",
            type=click.Choice(FORMATS),
            envvar="RUNSTONE_OUTPUT",
            help="How to print: a table on a terminal, and JSON into a pipe or file, unless said otherwise.",
        ),
    ):
        printing = option(printing)
    return printing  # type: ignore[return-value]


def run(function: Function) -> Function:
    """``-r``: a run, by its id or the beginning of it."""
    return click.option(
        "--run",
        "-r",
        "run_id",
        required=True,
        envvar=["RUNSTONE_RUN_ID", "AZUREML_RUN_ID"],
        shell_complete=completing.runs,
        help="The run's id, or as much of its beginning as no other has.",
    )(function)


def experiment(text: str) -> Callable[[Function], Function]:
    """``-e``: an experiment's name."""
    return click.option("--experiment-name", "-e", shell_complete=completing.experiments, help=text)


def yes(text: str) -> Callable[[Function], Function]:
    """``--yes``: do it without asking."""
    return click.option("--yes", "-y", is_flag=True, help=text)


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """``KEY=VALUE`` texts as keys and values; wrong usage for one that has no value."""
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise click.UsageError(f"{option} takes KEY=VALUE; got {text!r}.")
        found[key.strip()] = unquoted(value)
    return found


def unquoted(value: str) -> str:
    """A value without the quotes around it that some shells leave there."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _noted(field: str, context: click.Context, _: click.Parameter, given: bool) -> None:
    # the reference page is made without a session
    if not given or context.obj is None:
        return
    setattr(context.obj, field, True)
    if field != "debug":
        import logging  # only where somebody wants more of it, or less

        logging.basicConfig(format="runstone: %(message)s")
        logging.getLogger("runstone").setLevel(logging.INFO if field == "verbose" else logging.ERROR)


def _parsed(context: click.Context, _: click.Parameter, given: str | None) -> Query | None:
    if given is None or context.resilient_parsing:
        return None
    from runstone.cli.queries import parsed  # loaded by who asks

    return parsed(given)


def _split(context: click.Context, _: click.Parameter, given: str | None) -> tuple[str, ...]:
    names = [name.strip() for name in (given or "").split(",")]
    return tuple(name for name in names if name)


def _writable(context: click.Context, _: click.Parameter, given: Path | None) -> Path | None:
    # refused before anything is done
    if given is None or context.resilient_parsing:
        return given
    place = given.absolute().parent
    if not place.is_dir():
        raise click.UsageError(f"There is no directory {str(place)!r} to write into.")
    if not given.exists() and not os.access(place, os.W_OK):
        raise click.UsageError(f"{given} cannot be written: nothing may be made in {str(place)!r}.")
    return given
