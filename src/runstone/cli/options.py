"""The options that commands share, and the history that they point at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from runstone.sdk.places import Place

Function = TypeVar("Function", bound=Callable[..., Any])

FORMATS = ("json", "jsonc", "ndjson", "none", "table", "tsv", "yaml", "yamlc")


@dataclass
class Session:
    """What holds for one command line, whichever command it names."""

    debug: bool = False


def where(function: Function) -> Function:
    """``--path``: the directory from which the history is looked for, as a script there would."""
    return click.option(
        "--path",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=".",
        help="The directory from whose place the history is looked for, upwards; here by default.",
    )(function)


def debug(function: Function) -> Function:
    """``--debug`` behind the command, as well as before it."""
    return click.option(
        "--debug", is_flag=True, expose_value=False, callback=_note_debug, help="Show the trace of an error."
    )(function)


def scope(function: Function) -> Function:
    """The workspace: ``-w``, and the original's two labels, which are accepted and not needed."""
    for names, text in (
        (("--subscription-id",), "Accepted and not needed: there is no cloud."),
        (("--resource-group", "-g"), "Accepted and not needed: there is no cloud."),
        (("--workspace-name", "-w"), "The workspace; the one that is configured, or `default`."),
    ):
        function = click.option(*names, help=text)(function)
    return where(function)


def output(function: Function) -> Function:
    """``-o``: how data is printed."""
    return click.option(
        "--output",
        "-o",
        "form",
        type=click.Choice(FORMATS),
        help="How to print: a table on a terminal, and JSON into a pipe or file, unless said otherwise.",
    )(function)


def place(path: Path) -> Place:
    """Where scripts in a directory have their history."""
    from runstone.sdk import places  # loaded by the commands that need it: `--help` is quick
    from runstone.service.connect import settings

    return places.locate(path.resolve(), settings())


def _note_debug(context: click.Context, _: click.Parameter, given: bool) -> None:
    # the reference page is made without a session
    if context.obj is not None:
        context.obj.debug |= given
