"""What a shell completes: ids of runs, names of experiments, keys of tags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

    from runstone.cli.opening import Opened

MOST = 50
OF_LATE = 1000


def _runs(opened: Opened, begun: str) -> list[str]:
    from runstone.sdk import finding  # while a person waits for the shell, and for no one else

    text = f"run_id startswith {finding.quoted(begun)}" if begun else ""
    return [run.id for run in opened.service.runs.search(opened.workspace, text, limit=MOST).runs]


def _experiments(opened: Opened, begun: str) -> list[str]:
    names = (one.name for one in opened.service.experiments.list(opened.workspace))
    return [name for name in names if name.startswith(begun)]


def _tags(opened: Opened, begun: str) -> list[str]:
    found = opened.service.runs.search(opened.workspace, limit=OF_LATE).runs
    keys = {key for run in found for key in run.tags}
    return sorted(key for key in keys if key.startswith(begun))


def _completed(names: Callable[[Opened, str], list[str]]) -> Callable[..., list[Any]]:
    """What click calls: with the command line so far, the parameter, and what is typed of it."""
    return lambda context, _, begun: _of(names, context, begun=begun)


def _of(names: Callable[[Opened, str], list[str]], context: click.Context, *, begun: str) -> list[str]:
    from runstone.cli.opening import Scope  # see _runs()
    from runstone.model.errors import RunstoneError

    given = context.params
    context.obj.quiet = True
    try:
        opened = Scope(Path(given.get("path") or "."), given.get("workspace_name")).look()
        return names(opened, begun) if opened is not None else []
    except RunstoneError:
        # a shell has no place for what is wrong; the command itself will say it
        return []


runs = _completed(_runs)
experiments = _completed(_experiments)
tags = _completed(_tags)
