"""``runstone man``: the manual page, made from the help of every command."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from runstone import __version__
from runstone.cli import options

COMMON = ("debug", "quiet", "verbose")
EXIT_CODES = (
    ("0", "done"),
    ("1", "refused, not found, or something is wrong; what was waited for has not completed"),
    ("2", "wrong usage"),
    ("130", "stopped by Ctrl-C"),
    ("141", "nobody reads the output any more"),
)


@click.command("man")
@options.common
@click.pass_context
def man(context: click.Context) -> None:
    """Print the manual page, in the form that `man` reads.

    \b
    runstone man | man -l -
    runstone man > ~/.local/share/man/man1/runstone.1
    """
    click.echo("\n".join(page(context.find_root())))


def page(root: click.Context) -> Iterator[str]:
    """The lines of the manual page."""
    yield f'.TH RUNSTONE 1 "" "Runstone {__version__}" "User Commands"'
    yield from (".SH NAME", r"runstone \- the history of machine-learning runs")
    yield from (".SH SYNOPSIS", r".B runstone", r"[\-\-debug] COMMAND [OPTIONS] [ARGUMENTS]")
    yield from (".SH DESCRIPTION", *_prose(root.command.help or ""))
    yield ".SH OPTIONS OF EVERY COMMAND"
    for parameter in root.command.params:
        record = parameter.get_help_record(root)
        if record is not None and parameter.name in COMMON:
            yield from _entry(*record)
    yield ".SH COMMANDS"
    for words, command in _commands("runstone", root):
        yield from _command(words, command)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES:
        yield from _entry(code, meaning)


def _commands(words: str, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    command = context.command
    if not isinstance(command, click.Group):
        yield words, command
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        with found.make_context(name, [], parent=context, resilient_parsing=True) as below:
            yield from _commands(f"{words} {name}", below)


def _command(words: str, command: click.Command) -> Iterator[str]:
    with command.make_context(words, [], resilient_parsing=True) as context:
        pieces = command.collect_usage_pieces(context)
        yield f".SS {_escaped(' '.join([words, *pieces]))}"
        yield from _prose(command.help or "")
        for parameter in command.params:
            record = parameter.get_help_record(context)
            if record is not None and record[1] and parameter.name not in COMMON:
                yield from _entry(*record)


def _entry(name: str, text: str) -> Iterator[str]:
    yield from (".TP", rf"\fB{_escaped(name)}\fR", _escaped(text))


def _prose(text: str) -> Iterator[str]:
    """A docstring: paragraphs, and what stands after a `\\b` as it is."""
    for part in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in part.strip().splitlines()]
        if lines[0] == "\b":
            yield from (".PP", ".nf", *map(_escaped, lines[1:]), ".fi")
        else:
            yield from (".PP", _escaped(" ".join(lines)))


def _escaped(text: str) -> str:
    shown = text.replace("\\", r"\e").replace("-", r"\-").replace("\n", " ")
    return rf"\&{shown}" if shown.startswith((".", "'")) else shown
