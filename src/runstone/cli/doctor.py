"""``runstone doctor``: is the history whole, what is waiting, what would recovery do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runstone import __version__
from runstone.cli import options, output, tables
from runstone.cli.opening import Scope
from runstone.cli.values import size

if TYPE_CHECKING:
    from runstone.model.inspection import Report, Waiting

PACKAGES = ("numpy", "zstandard", "msgspec", "psutil")
_LIVES = {True: "its process lives", False: "its process is gone", None: "its process is elsewhere"}


@click.command()
@click.option("--repair", is_flag=True, help="Take in what is waiting, and end the runs of dead processes.")
@click.option("--thorough", is_flag=True, help="Read every byte of every file of the runs, too.")
@options.where
@options.output
@options.common
def doctor(path: Path, *, repair: bool, thorough: bool, out: output.Output) -> int:
    """Look the history over.

    Says whether its database, its metrics and its files are whole, what waits in journals, and how the next
    reader would end the runs of dead processes. Nothing is changed without --repair. Ends with 0 when nothing
    is lost or wrong, with 1 otherwise.
    """
    from runstone.service.inspection import inspect  # loaded by the commands that need it: `--help` is quick

    history = Path(Scope(path).place.history)
    if not (history / "history.db").exists():
        remains = any(history.glob("journal/*/*.rsj")) or any(history.glob("blobs/??/*"))
        click.echo(_gone(history) if remains else _none_yet(history), err=True)
        return int(remains)
    report = inspect(history, thorough=thorough)
    if repair and report.whole:
        _repair(history)
        report = inspect(history, thorough=thorough)
    out.otherwise("table").show(_document(report), card=_told(report, repair))
    return 0 if report.whole else 1


def _none_yet(history: Path) -> str:
    return f"There is no history yet at {history}: nothing to look over."


def _gone(history: Path) -> str:
    return (
        f"The database {history / 'history.db'} is gone; what scripts have logged of late (journal) and the "
        f"contents of files (blobs) are still there. Before anything else, copy the directory aside; then "
        f"put the database back from a copy."
    )


def _repair(history: Path) -> None:
    from runstone.service.connect import connect, disconnect  # only where something is to be changed

    connect(history).recovery.refresh()
    disconnect(history)


def _document(report: Report) -> dict[str, Any]:
    endings = [{"run": one.run, "status": str(one.status), "why": one.why} for one in report.endings]
    return {"whole": report.whole, **asdict(report), "endings": endings, "versions": _versions()}


def _told(report: Report, repaired: bool) -> Iterator[str]:
    yield f"History   {report.history}"
    runs = f"{report.runs:,} run{'s' * (report.runs != 1)}"
    yield f"          {runs}, {size(report.bytes)}, schema version {report.version}"
    yield f"Versions  {', '.join(f'{name} {number}' for name, number in _versions().items())}"
    yield from _part("Damage", [*report.damage], "none: database, metrics and files are whole")
    yield from _part("Journals", [_journal(one) for one in report.waiting], "nothing is waiting")
    endings = [f"{one.run} would be ended as {one.status}: {one.why}" for one in report.endings]
    yield from _part("Recovery", endings, "nothing to do")
    yield from _part("Left over", [*report.leftovers], "nothing")
    yield ""
    yield _verdict(report, repaired)


def _part(title: str, lines: list[str], otherwise: str) -> Iterator[str]:
    for at, line in enumerate(lines or [otherwise]):
        yield f"{title if at == 0 else '':10}{tables.clean(line)}"


def _journal(one: Waiting) -> str:
    return f"{one.run}: {one.records:,} records, {size(one.bytes)}, in {one.place}; {_LIVES[one.alive]}"


def _verdict(report: Report, repaired: bool) -> str:
    if not report.whole:
        kept = "Nothing was repaired, so that nothing gets worse. " if repaired else ""
        return (
            f"{kept}Not whole, see above ({len(report.damage)}). Before anything else, copy the directory "
            f"{report.history} aside. As far as the database can be read, what is not named above is whole."
        )
    if (report.waiting or report.endings) and not repaired:
        return "Whole. What is waiting is taken in by the next reader, or now by `runstone doctor --repair`."
    return "Whole."


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # 50 ms that only this command is worth

    python = ".".join(map(str, sys.version_info[:3]))
    found = {"Runstone": __version__, "Python": python, "system": sys.platform}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
