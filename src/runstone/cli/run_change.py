"""``runstone run update|cancel|fail|delete|restore|lock|unlock``: runs, changed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from runstone.cli import completing, options, output
from runstone.cli.opening import Opened, Scope
from runstone.cli.output import Output
from runstone.cli.run_list import print_run

if TYPE_CHECKING:
    from runstone.model.runs import Run


@click.command("update")
@options.run
@click.option(
    "--add-tag",
    multiple=True,
    metavar="KEY[=VALUE]",
    shell_complete=completing.tags,
    help="Add or replace a tag; may be repeated.",
)
@click.option(
    "--remove-tag",
    multiple=True,
    metavar="KEY",
    shell_complete=completing.tags,
    help="Remove a tag; may be repeated.",
)
@click.option("--add-property", multiple=True, metavar="KEY=VALUE", help="Add a property: it is permanent.")
@click.option("--display-name", help="The name that people see; an empty one removes it.")
@click.option("--description", help="The description (Markdown); an empty one removes it.")
@options.scope
@options.output
@options.common
def update(
    scope: Scope,
    out: Output,
    *,
    run_id: str,
    add_tag: Sequence[str],
    remove_tag: Sequence[str],
    add_property: Sequence[str],
    **changes: str | None,
) -> None:
    """Change the tags, the name or the description of a run, or add properties: all of it, or nothing.

    \b
    runstone run update -r 3f1c --add-tag quality="fantastic run" --add-tag "worth another look"
    runstone run update -r 3f1c --remove-tag quality --display-name "the one for the paper"
    runstone run update -r 3f1c --add-property author=kim
    """
    given = {name: text or None for name, text in changes.items() if text is not None}
    tags = tags_given(add_tag)
    properties = options.pairs(add_property, "--add-property")
    if not (given or tags or remove_tag or properties):
        raise click.UsageError("Say what is to change: --add-tag, --display-name, ...")
    opened = scope.open()
    ref = opened.ref(opened.record(run_id).id)
    record = opened.service.runs.annotate(
        ref, changes=given, tags=tags, untag=tuple(remove_tag), properties=properties
    )
    print_run(out, opened, record=record)


@click.command("cancel")
@options.run
@options.experiment("Only a run of this experiment.")
@options.scope
@options.output
@options.common
def cancel(scope: Scope, out: Output, *, run_id: str, experiment_name: str | None) -> None:
    """Ask for the end of a run and of its children; returns when the request is recorded.

    \b
    runstone run cancel -r 3f1c
    """
    opened = scope.open()
    record = _of_experiment(opened, run_id, experiment_name)
    print_run(out, opened, record=opened.service.jobs.cancel(opened.ref(record.id)))


@click.command("fail")
@options.run
@click.option("--message", "-m", help="What went wrong.")
@click.option("--error-code", default="UserError", show_default=True, help="A code of your own.")
@options.scope
@options.output
@options.common
def fail(scope: Scope, out: Output, *, run_id: str, message: str | None, error_code: str) -> None:
    """End a run as Failed: one whose process will not say so itself.

    \b
    runstone run fail -r 3f1c --message "the labels were wrong"
    """
    from runstone.model.runs import Status  # loaded by the commands that need it: `--help` is quick

    opened = scope.open()
    ref = opened.ref(opened.record(run_id).id)
    error = {"code": error_code, "reason": "user", **({"message": message} if message else {})}
    record = opened.service.runs.get(ref)
    if record.status.terminal:
        from runstone.model.errors import Conflict  # see above

        raise Conflict(f"The run {record.id!r} is {record.status} already; it cannot become Failed.")
    print_run(out, opened, record=opened.service.runs.move(ref, Status.FAILED, error=error))


@click.command("delete")
@options.run
@options.scope
@options.common
def delete(scope: Scope, *, run_id: str) -> None:
    """Delete a run. It can be restored until `runstone gc` purges it, 30 days later.

    \b
    runstone run delete -r 3f1c
    runstone run list --filter "deleted = true"
    """
    opened = scope.open()
    id = opened.record(run_id).id
    opened.service.runs.delete(opened.ref(id))
    output.note(f"Deleted {id}; `runstone run restore -r {id}` brings it back.")


@click.command("restore")
@options.run
@options.scope
@options.output
@options.common
def restore(scope: Scope, out: Output, *, run_id: str) -> None:
    """Bring a deleted run back.

    \b
    runstone run restore -r 3f1c
    """
    opened = scope.open()
    id = opened.deleted(run_id)
    print_run(out, opened, record=opened.service.runs.restore(opened.ref(id)))


@click.command("lock")
@options.run
@options.scope
@options.output
@options.common
def lock(scope: Scope, out: Output, *, run_id: str) -> None:
    """Protect a run: deleting it is refused, and so is a change of its tags, name and description.

    It goes on logging, and ends, as before.

    \b
    runstone run lock -r 3f1c
    """
    opened = scope.open()
    ref = opened.ref(opened.record(run_id).id)
    print_run(out, opened, record=opened.service.runs.lock(ref))


@click.command("unlock")
@options.run
@options.scope
@options.output
@options.common
def unlock(scope: Scope, out: Output, *, run_id: str) -> None:
    """Protect a run no more.

    \b
    runstone run unlock -r 3f1c
    """
    opened = scope.open()
    ref = opened.ref(opened.record(run_id).id)
    print_run(out, opened, record=opened.service.runs.unlock(ref))


def tags_given(given: Sequence[str]) -> dict[str, str | None]:
    """Tags as ``--add-tag`` takes them: ``KEY`` or ``KEY=VALUE``."""
    found: dict[str, str | None] = {}
    for text in given:
        key, equals, value = text.partition("=")
        found[key] = options.unquoted(value) if equals else None
    return found


def _of_experiment(opened: Opened, run_id: str, experiment: str | None) -> Run:
    record = opened.record(run_id)
    if experiment is not None and record.experiment != experiment:
        from runstone.model.errors import NotFound  # loaded by the commands that need it: `--help` is quick

        raise NotFound(
            f"The run {record.id!r} is of the experiment {record.experiment!r}, not of {experiment!r}."
        )
    return record
