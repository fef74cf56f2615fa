"""``runstone run files|download|download-logs``: the files of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from runstone.cli import options, output
from runstone.cli.opening import Scope
from runstone.cli.output import Output
from runstone.cli.progress import Progress
from runstone.cli.values import local, size

DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command("files")
@options.run
@click.option("--prefix", help="Only those in this folder.")
@click.option("--all", "-a", "every", is_flag=True, help="Also what was captured unasked, in system/.")
@options.scope
@options.output
@options.common
def files(scope: Scope, out: Output, *, run_id: str, prefix: str | None, every: bool) -> None:
    """List the files of a run.

    \b
    runstone run files -r 3f1c
    runstone run files -r 3f1c --prefix outputs --columns name,size
    """
    from runstone.model.runs import iso  # loaded by the commands that need it: `--help` is quick

    opened = scope.open()
    run = opened.run(run_id)
    found = opened.service.artifacts.list(opened.ref(run.id), prefix) if every else run._files(prefix)
    documents = (
        {
            "name": one.name,
            "size": one.size,
            "version": one.version,
            "sha256": one.sha256,
            "createdUtc": iso(one.created),
        }
        for one in found
    )
    out.each(
        documents,
        table=lambda block: [
            {
                "File": one["name"],
                "Size": size(one["size"]),
                "Version": str(one["version"]),
                "Created": local(one["createdUtc"]),
            }
            for one in block
        ],
        none="No files.",
    )


@click.command("download")
@options.run
@click.option("--output-dir", "-d", type=DIRECTORY, default=".", help="Where to; here by default.")
@click.option("--name", "-n", "names", multiple=True, help="Only this file; may be repeated.")
@click.option("--prefix", help="Only those in this folder.")
@options.scope
@options.common
def download(
    scope: Scope, *, run_id: str, output_dir: Path, names: Sequence[str], prefix: str | None
) -> None:
    """Download the files of a run, each checked by its SHA-256; their folders are kept.

    \b
    runstone run download -r 3f1c -d results
    runstone run download -r 3f1c -d results --name outputs/model.pkl
    runstone run download -r 3f1c --prefix outputs
    """
    opened = scope.open()
    run = opened.run(run_id)
    known = [one.name for one in run._files(prefix)]
    wanted = list(names) or known
    with Progress(max(1, len(wanted))) as progress:
        for name in wanted:
            run._download(name, output_dir / name, inside=output_dir)
            progress.step(name)
    output.note(f"Downloaded {len(wanted)} file{'s' * (len(wanted) != 1)} to {output_dir}.")


@click.command("download-logs")
@options.run
@click.option("--output-dir", "-d", type=DIRECTORY, required=True, help="Where to.")
@options.scope
@options.output
@options.common
def download_logs(scope: Scope, out: Output, *, run_id: str, output_dir: Path) -> None:
    """Download the logs of a run; the paths that were written.

    \b
    runstone run download-logs -r 3f1c -d logs-of-it
    """
    paths = scope.open().run(run_id).get_all_logs(output_dir)
    out.each(({"path": path} for path in paths), none="No logs.")
