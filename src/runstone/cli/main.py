"""The door of the command line. What people ask for most often, `runstone --help`, is answered at once."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

# As the help of `commands` prints it for terminals that are wide enough; a test holds the two together.
HELP = os.path.join(os.path.dirname(__file__), "help.txt")
WIDE, INTERRUPTED = 80, 130
# More objects than a short command makes: to look for garbage in what was just loaded is a tenth of its time.
LOADED = 100_000
ASKED: tuple[list[str], ...] = ([], ["-h"], ["--help"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line; its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    _opened()
    if words in ASKED and "_RUNSTONE_COMPLETE" not in os.environ and _wide() and _printed():
        return 0
    usual = gc.get_threshold()
    try:
        gc.set_threshold(LOADED, *usual[1:])
        from runstone.cli.commands import run  # 50 ms that a word of help is not worth

        outcome = run(words)
    except KeyboardInterrupt:
        print("runstone: Stopped.", file=sys.stderr)
        return INTERRUPTED
    finally:
        gc.set_threshold(*usual)
    return outcome if isinstance(outcome, int) else outcome.run()


def _opened() -> None:
    """Give a process that was started without an output one that nobody reads: its work is done."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (as long as the process lives)
            setattr(sys, name, nowhere)


def _printed() -> bool:
    with open(HELP, encoding="utf-8") as text:
        shown = text.read()
    try:
        sys.stdout.write(shown)
        sys.stdout.flush()
    except OSError:
        # nobody reads, or the disk is full: `commands` knows how that ends
        return False
    return True


def _wide() -> bool:
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return int(given) >= WIDE
    try:
        return os.get_terminal_size(1).columns >= WIDE
    except OSError:
        # no terminal: click takes 80
        return True
