"""``runstone export`` and ``runstone import``: runs into a file, and out of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import options, output
from runstone.cli.opening import Scope
from runstone.cli.progress import Progress
from runstone.cli.values import size

if TYPE_CHECKING:
    from runstone.model.portable import Imported

FORMATS = ("archive", "parquet", "csv", "ndjson")
# So many ids are named of runs that are not as in the archive.
NAMED = 5


@click.command("export", short_help="Write runs to a file: an archive, Parquet, CSV or NDJSON.")
@click.argument("filter", default="")
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
@click.option("--format", type=click.Choice(FORMATS), help="What to write; told by the file's ending.")
@click.option(
    "--family/--no-family",
    default=True,
    help="With each run those below and above it (the default), or only what matches. Of archives.",
)
@click.option(
    "--machine",
    is_flag=True,
    help="CSV for programs: texts as they are, also those that a spreadsheet would compute.",
)
@options.scope
@options.output
@options.common
def export(scope: Scope, *, out: output.Output, **given: Any) -> None:
    """Write the runs that match FILTER to a file; all of them without a filter.

    An archive (`.runstone`) holds everything that belongs to a run: metrics, logs, files, snapshot, events,
    tags, properties, params. `runstone import` takes it in elsewhere. A table (`.parquet`, `.csv`, `.ndjson`)
    holds a row a run, with the last value of each metric.

    \b
    runstone export --to all.runstone
    runstone export "experiment = 'digits' and started > now - 7d" --to week.runstone
    runstone export "metrics.accuracy > 0.9" --to best.csv
    """
    workspace = scope.open().sdk
    with Progress(1) as progress:
        done = workspace.export_runs(progress=progress.at, **given)
    output.warnings(done.warnings)
    found = {"file": str(given["to"]), "runs": done.runs, "bytes": done.bytes}
    out.show(found, card=[f"{_runs(done.runs)} in {given['to']}, {size(done.bytes)}."])


@click.command("import", short_help="Take in the runs of an archive.")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.scope
@options.output
@options.common
def take_in(scope: Scope, *, archive: Path, out: output.Output) -> None:
    """Take in the runs of an ARCHIVE that `runstone export` has written.

    Each run comes whole or not at all, and one that is there already stays as it is: after an interruption,
    and for any other reason, the same command may be given again.

    \b
    runstone import week.runstone
    runstone import week.runstone -w colleagues
    """
    workspace = scope.made()
    with Progress(1) as progress:
        done = workspace.import_runs(archive, progress=progress.at)
    output.warnings(_warnings(done))
    out.show(
        {key: value for key, value in asdict(done).items() if key != "warnings"},
        card=[f"{_runs(done.added)} added, {done.present:,} there already."],
    )


def _warnings(done: Imported) -> Iterator[str]:
    yield from done.warnings
    if done.different:
        some = ", ".join(done.different[:NAMED]) + (", ..." if len(done.different) > NAMED else "")
        yield (
            f"{len(done.different):,} of those that are there are not as in the archive, and stay as they "
            f"are: {some}"
        )


def _runs(count: int) -> str:
    return f"{count:,} run{'s' * (count != 1)}"
