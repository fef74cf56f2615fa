"""``runstone workspace list|show|create``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import lazy, options
from runstone.cli.opening import Scope
from runstone.cli.output import Output

if TYPE_CHECKING:
    from runstone.model.runs import Workspace

workspace = lazy.Group(
    name="workspace",
    lazy={
        "list": ("workspaces:list_workspaces", "List the workspaces of the history."),
        "show": ("workspaces:show", "Show a workspace."),
        "create": ("workspaces:create", "Make a workspace."),
    },
    help="Workspaces: names under which experiments are kept apart.",
)


@click.command("list")
@options.scope
@options.output
@options.common
def list_workspaces(scope: Scope, out: Output) -> None:
    """List the workspaces of the history.

    \b
    runstone workspace list
    """
    service = scope.history()
    found = service.workspaces.list() if service else ()
    out.each((_document(one) for one in found), none="No workspaces.")


@click.command("show")
@options.scope
@options.output
@options.common
def show(scope: Scope, out: Output) -> None:
    """Show a workspace: that of the place, or the one that -w names.

    \b
    runstone workspace show -w team
    """
    opened = scope.open()
    record = opened.service.workspaces.get(opened.workspace)
    out.show({**_document(record), "history": str(opened.service.root)})


@click.command("create")
@click.option("--exist-ok", is_flag=True, help="One that is there already is no error.")
@options.scope
@options.output
@options.common
def create(scope: Scope, out: Output, *, exist_ok: bool) -> None:
    """Make a workspace.

    \b
    runstone workspace create -w team
    """
    from runstone.service.connect import connect  # loaded by the commands that need it: `--help` is quick

    if not scope.workspace_name:
        raise click.UsageError("Say how it is called: `runstone workspace create -w NAME`.")
    service = connect(scope.place.history)
    out.show(
        _document(service.workspaces.create(scope.workspace_name, labels=scope.labels, exist_ok=exist_ok))
    )


def _document(record: Workspace) -> Mapping[str, Any]:
    from runstone.model.runs import iso  # see create()

    return {"name": record.name, "createdUtc": iso(record.created), "labels": dict(record.labels)}
