"""Groups of commands of which only the one that was asked for is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class Group(click.Group):
    """Commands by name: the module and the name in it, and what `--help` says of it in one line."""

    def __init__(self, *, lazy: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(invoke_without_command=True, callback=_help, **more)
        self.lazy = dict(lazy)

    def list_commands(self, _: click.Context) -> list[str]:
        """The names, as `--help` lists them."""
        return [*self.lazy]

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, loaded now; None when there is none."""
        if cmd_name not in self.lazy:
            return None
        module, _colon, name = self.lazy[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(f"runstone.cli.{module}"), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])


@click.pass_context
def _help(context: click.Context, /, **_: Any) -> None:
    """Show the help of a group that was called alone."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
