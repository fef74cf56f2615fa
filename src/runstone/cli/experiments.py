"""``runstone experiment list|show|archive|reactivate|delete|tag``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import lazy, options, output
from runstone.cli.opening import Opened, Scope
from runstone.cli.output import Output
from runstone.cli.run_change import tags_given
from runstone.cli.values import local

if TYPE_CHECKING:
    from runstone.model.runs import Experiment

experiment = lazy.Group(
    name="experiment",
    lazy={
        "list": ("experiments:list_experiments", "List the experiments of a workspace."),
        "show": ("experiments:show", "Show an experiment."),
        "tag": ("experiments:tag", "Add, replace or remove tags of an experiment."),
        "archive": ("experiments:archive", "Hide an experiment; its name is free again."),
        "reactivate": ("experiments:reactivate", "Bring an archived experiment back."),
        "delete": ("experiments:delete", "Delete an experiment that has no runs."),
    },
    help="Experiments: named sets of runs.",
)
_NAMED = options.experiment("The experiment; that of the attached folder by default.")


@click.command("list")
@click.option("--archived", "view", flag_value="archived", help="Those that are archived.")
@click.option("--all", "view", flag_value="all", help="Those too.")
@options.scope
@options.output
@options.common
def list_experiments(scope: Scope, out: Output, *, view: str | None) -> None:
    """List the experiments of a workspace, the oldest first.

    \b
    runstone experiment list
    runstone experiment list --archived --query "[].name"
    """
    opened = scope.look()
    found = opened.service.experiments.list(opened.workspace, view=view or "active") if opened else ()
    out.each(map(_document, found), table=_rows, none="No experiments.")


@click.command("show")
@_NAMED
@options.scope
@options.output
@options.common
def show(scope: Scope, out: Output, *, experiment_name: str | None) -> None:
    """Show an experiment.

    \b
    runstone experiment show -e digits
    """
    _, record = _found(scope, experiment_name)
    out.show(_document(record))


@click.command("tag")
@_NAMED
@click.option("--add-tag", multiple=True, metavar="KEY[=VALUE]", help="Add or replace a tag.")
@click.option("--remove-tag", multiple=True, metavar="KEY", help="Remove a tag.")
@options.scope
@options.output
@options.common
def tag(
    scope: Scope,
    out: Output,
    *,
    experiment_name: str | None,
    add_tag: Sequence[str],
    remove_tag: Sequence[str],
) -> None:
    """Add, replace or remove tags of an experiment.

    \b
    runstone experiment tag -e digits --add-tag owner=kim
    """
    if not add_tag and not remove_tag:
        raise click.UsageError("Say what is to change: --add-tag, --remove-tag.")
    opened, record = _found(scope, experiment_name)
    if remove_tag:
        record = opened.service.experiments.untag(record.id, list(remove_tag))
    if add_tag:
        record = opened.service.experiments.tag(record.id, tags_given(add_tag))
    out.show(_document(record))


@click.command("archive")
@_NAMED
@options.scope
@options.output
@options.common
def archive(scope: Scope, out: Output, *, experiment_name: str | None) -> None:
    """Hide an experiment from lists; its name is free again.

    \b
    runstone experiment archive -e old-idea
    """
    opened, record = _found(scope, experiment_name)
    out.show(_document(opened.service.experiments.archive(record.id)))


@click.command("reactivate")
@_NAMED
@click.option("--new-name", help="Under this name, when another has taken its own.")
@options.scope
@options.output
@options.common
def reactivate(scope: Scope, out: Output, *, experiment_name: str | None, new_name: str | None) -> None:
    """Bring an archived experiment back.

    \b
    runstone experiment reactivate -e old-idea --new-name old-idea-2
    """
    opened, record = _found(scope, experiment_name, view="archived")
    out.show(_document(opened.service.experiments.reactivate(record.id, new_name=new_name)))


@click.command("delete")
@_NAMED
@options.scope
@options.common
def delete(scope: Scope, *, experiment_name: str | None) -> None:
    """Delete an experiment that has no runs.

    \b
    runstone experiment delete -e old-idea
    """
    opened, record = _found(scope, experiment_name)
    opened.service.experiments.delete(record.id)
    output.note(f"Deleted the experiment {record.name}.")


def _found(scope: Scope, given: str | None, *, view: str = "all") -> tuple[Opened, Experiment]:
    """The experiment of that name; an active one before those that are archived, the newest of these."""
    from runstone.model.errors import NotFound  # loaded by the commands that need it: `--help` is quick

    name = given or scope.place.attached
    if name is None:
        raise click.UsageError("Say which experiment: -e NAME.")
    opened = scope.open()
    known = opened.service.experiments.list(opened.workspace, view=view)
    named = sorted(
        (one for one in known if one.name == name), key=lambda one: (one.archived is None, one.created)
    )
    if not named:
        there = ", ".join(sorted({one.name for one in known})) or "none"
        raise NotFound(
            f"There is no experiment {name!r} in the workspace {opened.workspace!r}; there are: {there}."
        )
    return opened, named[-1]


def _document(record: Experiment) -> dict[str, Any]:
    from runstone.model.runs import iso  # see _found()

    return {
        "name": record.name,
        "id": record.id,
        "createdUtc": iso(record.created),
        "archivedUtc": iso(record.archived),
        "description": record.description,
        "runs": record.runs,
        "tags": dict(record.tags),
    }


def _rows(block: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "Experiment": one["name"],
            "Runs": str(one["runs"]),
            "Created": local(one["createdUtc"]),
            "Archived": local(one["archivedUtc"]),
        }
        for one in block
    ]
