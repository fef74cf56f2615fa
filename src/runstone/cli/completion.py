"""``runstone completion``: the few lines by which a shell completes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runstone.cli import options

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@options.common
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print what a shell needs to complete commands, options, run ids, experiments and keys of tags.

    \b
    eval "$(runstone completion bash)"                      # in ~/.bashrc
    eval "$(runstone completion zsh)"                       # in ~/.zshrc
    runstone completion fish > ~/.config/fish/completions/runstone.fish
    """
    from click.shell_completion import get_completion_class  # only for this

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"This release of click does not know {shell}.")
    program = context.find_root()
    made: ShellComplete = kind(program.command, {}, str(program.info_name), "_RUNSTONE_COMPLETE")
    # not .source(): it starts the shell to ask for its version
    click.echo(made.source_template % made.source_vars())
