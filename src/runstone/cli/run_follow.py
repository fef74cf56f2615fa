"""``runstone run wait|logs|monitor-logs``: runs, from outside, while they go on."""

from __future__ import annotations

import sys

import click

from runstone.cli import following, options, output
from runstone.cli.opening import Opened, Scope
from runstone.cli.output import Output
from runstone.cli.run_list import print_run

LOOK_SECONDS = 0.2


@click.command("wait")
@options.run
@options.scope
@options.output
@options.common
def wait(scope: Scope, out: Output, *, run_id: str) -> int:
    """Wait until a run has ended. Ends with 0 when it is Completed, with 1 otherwise.

    \b
    runstone run wait -r 3f1c && echo done
    runstone run wait -r 3f1c --query status -o tsv
    """
    opened = scope.open()
    run = opened.run(run_id)
    try:
        run.wait_for_completion(raise_on_error=False)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Stopped waiting; the run {run.id} goes on.") from None
    print_run(out, opened, record=opened.record(run.id))
    return 0 if run.status == "Completed" else 1


@click.command("logs")
@options.run
@click.option("--name", "-n", help="The log, as `runstone run files` names it; what the script printed.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run has ended.")
@options.scope
@options.common
def logs(scope: Scope, *, run_id: str, name: str | None, follow: bool) -> None:
    """Print what a run has printed.

    \b
    runstone run logs -r 3f1c
    runstone run logs -r 3f1c --follow
    runstone run logs -r 3f1c --name logs/azureml/70_driver_log.txt
    """
    show_log(scope.open(), run_id, name=name, follow=follow)


@click.command("monitor-logs")
@options.run
@options.scope
@options.common
def monitor_logs(scope: Scope, *, run_id: str) -> None:
    """Print what a run prints until it has ended: `logs --follow`.

    \b
    runstone run monitor-logs -r 3f1c
    """
    show_log(scope.open(), run_id, name=None, follow=True)


def show_log(opened: Opened, run_id: str, *, name: str | None, follow: bool) -> None:
    """Print a log of a run; one that was not named is the one that people mean."""
    id = opened.record(run_id).id
    ref = opened.ref(id)
    wanted = name or following.main_log(opened.service.logs.names(ref))
    if wanted is None and not follow:
        output.note(f"The run {id} has no logs.")
        return
    try:
        for part in following.text(opened, ref, name=wanted or following.MAIN[0], follow=follow):
            sys.stdout.write(part)
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Stopped looking; the run {id} goes on.") from None
