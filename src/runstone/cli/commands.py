"""The command line: its commands, and how every one of them ends.

Exit codes: 0 done; 1 refused, not found, or something is wrong; 2 wrong usage; 130 stopped by Ctrl-C; 141
nobody reads the output any more. `runstone exec` ends as its script ends.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from runstone import __version__
from runstone.cli import lazy, output
from runstone.cli.options import Session, common
from runstone.model.errors import AzureMLException, RunstoneError, ServiceException

if TYPE_CHECKING:
    from runstone.cli.script import Script

WRONG, USAGE, INTERRUPTED, UNREAD = 1, 2, 130, 141
NAME, PREFIX, COMPLETE = "runstone", "RUNSTONE", "_RUNSTONE_COMPLETE"
COMMANDS = {
    "demo": ("demo:demo", "Train on handwritten digits and look at the runs."),
    "exec": ("execute:execute", "Run a script, also one made for Azure ML SDK v1."),
    "init": ("initialize:initialize", "Keep the history of a project in the project."),
    "folder": ("folder:folder", "A folder that knows its workspace and its experiment."),
    "run": ("runs:run", "Runs: listed, shown, submitted, changed, waited for."),
    "export": ("transfer:export", "Write runs to a file: an archive, Parquet, CSV or NDJSON."),
    "import": ("transfer:take_in", "Take in the runs of an archive."),
    "search": ("search:search", "Find runs of every experiment and depth."),
    "watch": ("watch:watch", "Watch the runs that go on."),
    "experiment": ("experiments:experiment", "Experiments: named sets of runs."),
    "workspace": ("workspaces:workspace", "Workspaces: names under which experiments are kept apart."),
    "model": ("models:model", "Models: files under a name, in versions."),
    "dataset": ("datasets:dataset", "Data sets: recipes under a name, in versions."),
    "environment": ("environments:environment", "Environments: registered in versions."),
    "computetarget": ("targets:computetarget", "Compute targets: where submitted runs are computed."),
    "login": ("account:login", "Log in to a server; a history in a directory needs no login."),
    "logout": ("account:logout", "Log out of a server."),
    "whoami": ("account:whoami", "Tell who submits runs here, and where they go."),
    "server": ("server:server", "Serve a history to other machines."),
    "doctor": ("doctor:doctor", "Look the history over."),
    "gc": ("gc:gc", "Purge what was deleted long ago; count it first."),
    "completion": ("completion:completion", "Print what a shell needs to complete."),
    "man": ("manual:man", "Print the manual page."),
}
HELP = """The history of your machine-learning runs.

`runstone demo` makes some to look at; `runstone exec train.py` runs a script, also one that imports
azureml. What followed `az ml` works here: `runstone run list`.
"""

cli = common(
    click.version_option(__version__, "-V", "--version", prog_name=NAME)(
        lazy.Group(lazy=COMMANDS, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
    )
)


def run(arguments: Sequence[str]) -> Script | int:
    """Carry out one command line; its exit code, or the script that is to run now."""
    session = Session()
    try:
        if COMPLETE in os.environ:
            return _complete(os.environ[COMPLETE], session)
        outcome = _carried_out(list(arguments), session)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered has no reader either: the interpreter would complain when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except (click.Abort, KeyboardInterrupt) as error:
        return _refuse(str(error) or "Stopped.", INTERRUPTED)
    except click.ClickException as error:
        return _refuse(_usage(error), error.exit_code)
    except RunstoneError as error:
        return _refuse(_told(error), WRONG, error if session.debug else None)
    except Exception as error:  # noqa: BLE001  (the outermost edge: one line for people, the trace by --debug)
        text = f"{type(error).__name__}: {error}"
        return _refuse(
            f"{text} (`runstone --debug ...` shows where)", WRONG, error if session.debug else None
        )
    return outcome or 0


def _carried_out(arguments: list[str], session: Session) -> Script | int | None:
    # not cli.main(): its ways to end differ between releases of click
    with warnings.catch_warnings():
        warnings.showwarning = _warned
        try:
            with cli.make_context(NAME, arguments, obj=session, auto_envvar_prefix=PREFIX) as context:
                outcome: Script | int | None = cli.invoke(context)
                return outcome
        except click.exceptions.Exit as ended:
            return ended.exit_code


def _complete(instruction: str, session: Session) -> int:
    from click.shell_completion import shell_complete  # only for shells

    return shell_complete(cli, {"obj": session}, NAME, COMPLETE, instruction)


def _warned(message: Warning | str, *_: Any, **__: Any) -> None:
    output.note(f"runstone: {message}")


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
