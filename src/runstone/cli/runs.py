"""``runstone run``: the verbs of runs, each loaded when it is asked for."""

from __future__ import annotations

from runstone.cli import lazy

COMMANDS = {
    "list": ("run_list:list_runs", "List runs, newest first."),
    "show": ("run_list:show", "Show what is known of one run."),
    "diff": ("diff:diff", "Say what differs between two runs."),
}

run = lazy.Group(name="run", lazy=COMMANDS, help="Runs: listed, shown, submitted, changed, waited for.")
