"""``runstone server``: a history for more than one machine."""

from __future__ import annotations

import click

from runstone.cli import options
from runstone.cli.opening import Scope

PORT = 8770


@click.command("server")
@click.option(
    "--store", default="", metavar="URL", help="postgresql://... for the records; else the directory."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address of this machine to serve at."
)
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name that the server goes by; may be repeated.",
)
@options.scope
@options.common
def server(scope: Scope, *, store: str, host: str, port: int, hosts: tuple[str, ...]) -> None:
    """Serve the history of this directory over HTTP.

    Who brings its token may read and write. Scripts and commands work with it by address:
    RUNSTONE_HISTORY=http://host:8770 RUNSTONE_TOKEN=... There is no encryption here: put a proxy with TLS
    before it where the network is not yours alone.

    \b
    runstone server
    runstone server --host 0.0.0.0 --allow-host runs.example.org
    runstone server --store postgresql://runstone@db/runstone
    """
    # loaded by the commands that need it: `--help` is quick
    from pathlib import Path

    from runstone.model.errors import Invalid
    from runstone.service.connect import settings

    try:
        from runstone.server.serving import serve
    except ImportError as error:
        raise Invalid(
            f"A server needs more packages ({error.name}): pip install 'runstone[server]'"
        ) from None

    if "://" in scope.place.history:
        raise Invalid(f"{scope.place.history} is served already; run this where the history's directory is.")
    serve(Path(scope.place.history), settings(), store=store, bind=(host, port), hosts=hosts, tell=_tell)


def _tell(text: str) -> None:
    click.echo(text, err=True)
