"""``runstone run diff``: what differs between two runs, and an exit code that says whether anything does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from runstone.cli import completing, options, output, tables
from runstone.cli.opening import Scope

if TYPE_CHECKING:
    from runstone.model.differences import Difference

FORMS = ("text", "json", "markdown")
SAME, DIFFERENT, TROUBLE = 0, 1, 2


@click.command("diff", short_help="Say what differs between two runs.")
@click.argument("a", shell_complete=completing.runs)
@click.argument("b", shell_complete=completing.runs)
@click.option("--output", "-o", "form", type=click.Choice(FORMS), default="text", help="How to print; text.")
@options.scope
@options.common
def diff(scope: Scope, *, a: str, b: str, form: str) -> int:
    """Say what differs between the runs A and B.

    Compared are script, arguments, params, tags, properties, environment, packages, git state, source files,
    metrics, files and how the runs ended. Ends with 0 when nothing differs, 1 when something does, 2 when
    the runs cannot be compared.

    \b
    runstone run diff digits-0.1 digits-0.01
    runstone run diff digits-0.1 digits-0.01 -o markdown > changes.md
    """
    with _troubled():
        opened = scope.open()
        found = opened.run(a).diff(opened.run(b))
    output.lines(_lines(found, form))
    return SAME if found.same else DIFFERENT


class Trouble(click.ClickException):
    """The runs cannot be compared: 1 would say that they differ."""

    exit_code = TROUBLE


@contextmanager
def _troubled() -> Iterator[None]:
    # loaded by the commands that need it: `--help` is quick
    from runstone.model.errors import AzureMLException, RunstoneError, ServiceException

    try:
        yield
    except (AzureMLException, ServiceException) as error:
        raise Trouble(error.message) from error
    except RunstoneError as error:
        raise Trouble(str(error)) from error


def _lines(found: Difference, form: str) -> Iterator[str]:
    if form == "json":
        yield from output.as_json(found.to_dict(), indent=2).split("\n")
        return
    text = found.to_markdown() if form == "markdown" else found.to_text()
    # a file of a run may hold anything, and a terminal obeys some of it
    yield from ("\t".join(map(tables.clean, line.split("\t"))) for line in text.split("\n") if text)
