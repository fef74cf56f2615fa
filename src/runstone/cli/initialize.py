"""``runstone init``: a history for a project."""

from __future__ import annotations

from pathlib import Path

import click

from runstone.cli.options import common
from runstone.cli.output import writing

IGNORED = "# What runs leave behind is kept here, and no matter of git's.\nhistory/\n"


@click.command("init")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=".")
@common
def initialize(directory: Path) -> None:
    """Keep the history of a project in the project.

    Makes .runstone/history/ in DIRECTORY (here by default); scripts in it and below find it, as git finds a
    repository. Repeating is harmless.
    """
    root = directory.resolve() / ".runstone"
    history = root / "history"
    there = history.is_dir()
    ignored = root / ".gitignore"
    with writing(history):
        history.mkdir(parents=True, exist_ok=True)
        if not ignored.exists():
            ignored.write_text(IGNORED, encoding="utf-8")
    click.echo(f"{'There is a history already:' if there else 'A new history:'} {history}")
    if (root / "config.json").is_file():
        click.echo(f"Note that {root / 'config.json'} is looked at first; it may name another one.")
