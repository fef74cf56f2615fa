"""``runstone run``: the verbs of runs, each loaded when it is asked for."""

from __future__ import annotations

from runstone.cli import lazy

COMMANDS = {
    "list": ("run_list:list_runs", "List runs, newest first."),
    "show": ("run_list:show", "Show what is known of one run."),
    "children": ("run_list:children", "List the children of a run, newest first."),
    "submit-script": ("run_submit:submit_script", "Hand a script over with its arguments."),
    "submit-hyperdrive": ("run_submit:submit_hyperdrive", "Sweep a script: many runs, many arguments."),
    "wait": ("run_follow:wait", "Wait until a run has ended."),
    "logs": ("run_follow:logs", "Print what a run has printed."),
    "monitor-logs": ("run_follow:monitor_logs", "Print what a run prints until it has ended."),
    "metrics": ("run_metrics:metrics", "Sum up what a run has logged, or list the points of one metric."),
    "files": ("run_files:files", "List the files of a run."),
    "download": ("run_files:download", "Download the files of a run."),
    "download-logs": ("run_files:download_logs", "Download the logs of a run."),
    "diff": ("diff:diff", "Say what differs between two runs."),
    "update": ("run_change:update", "Change tags, name or description of a run, or add properties."),
    "cancel": ("run_change:cancel", "Ask for the end of a run and of its children."),
    "fail": ("run_change:fail", "End a run as Failed."),
    "delete": ("run_change:delete", "Delete a run."),
    "restore": ("run_change:restore", "Bring a deleted run back."),
    "lock": ("run_change:lock", "Protect a run."),
    "unlock": ("run_change:unlock", "Protect a run no more."),
    "open": ("run_metrics:open_run", "Open a run in the browser; without a server, tell its address."),
    "monitor-tensorboard": ("run_metrics:monitor_tensorboard", "Say where metrics are to be seen."),
}

run = lazy.Group(name="run", lazy=COMMANDS, help="Runs: listed, shown, submitted, changed, waited for.")
