"""``runstone dataset list|show|register|unregister``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import lazy, options, output
from runstone.cli.opening import Scope
from runstone.cli.output import Output

if TYPE_CHECKING:
    from runstone.sdk.abstract_dataset import AbstractDataset

FORMATS = ("delimited", "parquet", "json-lines", "file")

dataset = lazy.Group(
    name="dataset",
    lazy={
        "list": ("datasets:list_datasets", "List the data sets of a workspace."),
        "show": ("datasets:show", "Show a data set."),
        "register": ("datasets:register", "Register data under a name; they stay where they are."),
        "unregister": ("datasets:unregister", "Forget the name of a data set."),
    },
    help="Data sets: recipes under a name, in versions; the data stay where they are.",
)


@click.command("list")
@options.scope
@options.output
@options.common
def list_datasets(scope: Scope, out: Output) -> None:
    """List the data sets of a workspace, the latest version of each.

    \b
    runstone dataset list
    """
    from runstone.sdk.dataset import Dataset  # loaded by the commands that need it: `--help` is quick

    opened = scope.look()
    found = Dataset.get_all(opened.sdk).values() if opened else ()
    out.each(map(_document, found), table=_rows, none="No data sets.")


@click.command("show")
@click.option("--name", "-n", required=True, help="The name of the data set.")
@click.option("--version", "-v", default="latest", help="The version; the latest by default.")
@options.scope
@options.output
@options.common
def show(scope: Scope, out: Output, *, name: str, version: str) -> None:
    """Show a data set.

    \b
    runstone dataset show -n digits
    """
    from runstone.sdk.dataset import Dataset  # see list_datasets()

    out.show(_document(Dataset.get_by_name(scope.open().sdk, name, version)))


@click.command("register")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--name", "-n", required=True, help="The name of the data set.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="file", help="What is in them; file.")
@click.option("--datastore", help="The datastore that the paths are of; this machine by default.")
@click.option("--description", "-d", help="What the data are.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; may be repeated.")
@click.option("--create-new-version", is_flag=True, help="Add a version to a name that is there.")
@options.scope
@options.output
@options.common
def register(scope: Scope, out: Output, *, name: str, tags: Sequence[str], **given: Any) -> None:
    """Register data under a name: files, folders, patterns or addresses. The data stay where they are.

    \b
    runstone dataset register -n digits --format delimited "data/*.csv"
    runstone dataset register -n pictures images/ --create-new-version
    """
    workspace = scope.made()
    paths: Any = list(given["paths"])
    if given["datastore"]:
        from runstone.sdk.datastore import Datastore  # see list_datasets()

        store = Datastore(workspace, given["datastore"])
        paths = [(store, path) for path in paths]
    made = _made(given["kind"], paths).register(
        workspace,
        name,
        given["description"],
        options.pairs(tags, "--tag"),
        create_new_version=given["create_new_version"],
    )
    out.show(_document(made))


@click.command("unregister")
@click.option("--name", "-n", required=True, help="The name of the data set.")
@options.scope
@options.common
def unregister(scope: Scope, *, name: str) -> None:
    """Forget the name of a data set; the data stay, and runs that used them still know which.

    \b
    runstone dataset unregister -n digits
    """
    from runstone.sdk.dataset import Dataset  # see list_datasets()

    Dataset.get_by_name(scope.open().sdk, name).unregister_all_versions()
    output.note(f"Forgot the data set {name}; its data stay where they are.")


def _made(kind: str, paths: Any) -> AbstractDataset:
    from runstone.sdk.dataset import Dataset  # see list_datasets()

    if kind == "delimited":
        return Dataset.Tabular.from_delimited_files(paths)
    if kind == "parquet":
        return Dataset.Tabular.from_parquet_files(paths)
    if kind == "json-lines":
        return Dataset.Tabular.from_json_lines_files(paths)
    return Dataset.File.from_files(paths)


def _document(one: AbstractDataset) -> dict[str, Any]:
    from runstone.model.data import TABULAR  # see list_datasets()

    return {
        "name": one.name,
        "version": one.version,
        "id": one.id,
        "type": "Tabular" if one._data.recipe.kind == TABULAR else "File",
        "description": one.description,
        "tags": one.tags,
        "sources": [{"path": each.path, "datastore": each.datastore} for each in one._data.recipe.sources],
    }


def _rows(block: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "Data set": one["name"],
            "Version": str(one["version"]),
            "Type": one["type"],
            "From": ", ".join(each["path"] for each in one["sources"]),
        }
        for one in block
    ]
