"""The door of the command line: its commands, and how every one of them ends.

Exit codes: 0 done; 1 refused, not found, or something is wrong; 2 wrong usage; 130 stopped by Ctrl-C; 141
nobody reads the output any more. `runstone exec` ends as its script ends.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from runstone import __version__
from runstone.cli import demo, doctor, execute, initialize, runs
from runstone.cli.options import Session
from runstone.cli.script import Script
from runstone.model.errors import AzureMLException, RunstoneError, ServiceException

WRONG, USAGE, INTERRUPTED, UNREAD = 1, 2, 130, 141


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="runstone")
@click.option("--debug", is_flag=True, help="Show the trace of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """The history of your machine-learning runs.

    `runstone demo` makes some to look at; `runstone exec train.py` runs a script, also one that imports
    azureml.
    """
    context.obj.debug |= debug
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (demo.demo, doctor.doctor, execute.execute, initialize.initialize, runs.run):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line; its exit code."""
    session = Session()
    try:
        outcome = _carried_out(sys.argv[1:] if arguments is None else list(arguments), session)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered has no reader either: the interpreter would complain when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        return _refuse(_usage(error), error.exit_code)
    except RunstoneError as error:
        return _refuse(_told(error), WRONG, error if session.debug else None)
    except Exception as error:  # noqa: BLE001  (the outermost edge: one line for people, the trace by --debug)
        text = f"{type(error).__name__}: {error}"
        return _refuse(
            f"{text} (`runstone --debug ...` shows where)", WRONG, error if session.debug else None
        )
    if isinstance(outcome, Script):
        return outcome.run()
    return outcome or 0


def _carried_out(arguments: list[str], session: Session) -> Script | int | None:
    # not cli.main(): its ways to end differ between releases of click
    try:
        with cli.make_context("runstone", arguments, obj=session) as context:
            outcome: Script | int | None = cli.invoke(context)
            return outcome
    except click.exceptions.Exit as ended:
        return ended.exit_code


def _refuse(text: str, code: int, error: BaseException | None = None) -> int:
    if error is not None:
        traceback.print_exception(type(error), error, error.__traceback__)
    print("runstone:", " ".join(text.split()), file=sys.stderr)
    return code


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    remedy = f" See `{context.command_path} --help`." if context else ""
    return f"{error.format_message()}{remedy}"


def _told(error: RunstoneError) -> str:
    return error.message if isinstance(error, (AzureMLException, ServiceException)) else str(error)
