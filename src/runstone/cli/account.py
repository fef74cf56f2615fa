"""``runstone login|logout|whoami``: who somebody is in a history of their own."""

from __future__ import annotations

import click

from runstone.cli import options
from runstone.cli.opening import Scope
from runstone.cli.output import Output

NONE_NEEDED = "No login is needed: the history is a directory of yours, {}."


@click.command("login")
@click.option("--service-principal", is_flag=True, hidden=True)
@click.option("--tenant", hidden=True)
@click.option("--username", "-u", hidden=True)
@options.scope
@options.common
def login(scope: Scope, **_: str | bool | None) -> None:
    """Log in to a server; a history in a directory needs no login.

    \b
    runstone login
    """
    click.echo(NONE_NEEDED.format(scope.place.history))


@click.command("logout")
@options.scope
@options.common
def logout(scope: Scope) -> None:
    """Log out of a server; from a history in a directory nobody needs to.

    \b
    runstone logout
    """
    click.echo(NONE_NEEDED.format(scope.place.history))


@click.command("whoami")
@options.scope
@options.output
@options.common
def whoami(scope: Scope, out: Output) -> None:
    """Tell the name under which runs are submitted here, and where they go.

    \b
    runstone whoami
    runstone whoami --query history -o tsv
    """
    # loaded by the commands that need it: `--help` is quick
    from runstone.sdk.capture.environment import user_name
    from runstone.service.connect import environment

    place = scope.place
    out.show(
        {
            "user": user_name(environment()),
            "history": place.history,
            "workspace": scope.workspace,
            "experiment": place.experiment,
        }
    )
