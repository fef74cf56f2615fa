"""``runstone model list|show|register|update|download|delete``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import completing, lazy, options, output
from runstone.cli.opening import Scope
from runstone.cli.output import Output
from runstone.cli.run_change import tags_given
from runstone.cli.values import size

if TYPE_CHECKING:
    from runstone.sdk.model import Model

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

model = lazy.Group(
    name="model",
    lazy={
        "list": ("models:list_models", "List the models of a workspace."),
        "show": ("models:show", "Show a model."),
        "register": ("models:register", "Register a model: a file or a folder, of a run or of here."),
        "update": ("models:update", "Change the tags or the description of a model."),
        "download": ("models:download", "Download the file or the folder of a model."),
        "delete": ("models:delete", "Delete one version of a model."),
    },
    help="Models: files under a name, in versions, which outlive their runs.",
)
_NAMED = (
    click.option("--model-id", "-i", help="NAME:VERSION."),
    click.option("--name", "-n", help="The model's name."),
    click.option("--version", "-v", help="The version; the latest by default."),
)


def named(function: options.Function) -> options.Function:
    """A model: by ``-i``, or by ``-n`` and ``-v``."""
    for option in reversed(_NAMED):
        function = option(function)
    return function


@click.command("list")
@click.option("--name", "-n", "--model-name", help="Only versions of this name.")
@click.option("--tag", "tags", multiple=True, metavar="KEY[=VALUE]", help="Only those with this tag.")
@click.option("--run-id", "-r", shell_complete=completing.runs, help="Only those of this run.")
@click.option("--latest", "-l", is_flag=True, help="Of each name the latest version alone.")
@options.scope
@options.output
@options.common
def list_models(scope: Scope, out: Output, *, tags: Sequence[str], **given: Any) -> None:
    """List the models of a workspace, the newest first.

    \b
    runstone model list --latest
    runstone model list -n digits --tag stage=production
    """
    from runstone.sdk.model import Model  # loaded by the commands that need it: `--help` is quick

    wanted = [[key, value] if value is not None else key for key, value in tags_given(tags).items()]
    opened = scope.look()
    found = Model.list(opened.sdk, tags=wanted, **given) if opened else []
    out.each((one.serialize() for one in found), table=_rows, none="No models.")


@click.command("show")
@named
@options.scope
@options.output
@options.common
def show(scope: Scope, out: Output, **given: str | None) -> None:
    """Show a model.

    \b
    runstone model show -n digits
    runstone model show -i digits:2
    """
    out.show(_found(scope, given).serialize())


@click.command("register")
@click.option("--name", "-n", required=True, help="The name of the model.")
@click.option(
    "--model-path", "-p", type=click.Path(exists=True, path_type=Path), help="A file or folder here."
)
@click.option("--run-id", "-r", shell_complete=completing.runs, help="The run that has the files.")
@click.option("--run-metadata-file", "-f", type=FILE, help="What `run submit-script -t` wrote of the run.")
@click.option("--asset-path", help="A file or a folder of the run, e.g. outputs/model.pkl.")
@click.option("--description", "-d", help="What the model is.")
@click.option("--tag", "tags", multiple=True, metavar="KEY[=VALUE]", help="A tag; may be repeated.")
@click.option("--property", "properties", multiple=True, metavar="KEY=VALUE", help="A property: permanent.")
@click.option("--model-framework", help="E.g. ScikitLearn.")
@click.option("--model-framework-version", help="Its version.")
@options.scope
@options.output
@options.common
def register(scope: Scope, out: Output, *, name: str, model_path: Path | None, **given: Any) -> None:
    """Register a model, as a new version of its name: a file or a folder of a run, or of this machine.

    \b
    runstone model register -n digits -r 3f1c --asset-path outputs/model.pkl
    runstone model register -n digits -f run.json --asset-path outputs/model.pkl
    runstone model register -n digits -p model.pkl --tag stage=test
    """
    from runstone.sdk.model import Model  # loaded by the commands that need it: `--help` is quick

    run_id = _run_id(given.pop("run_id"), given.pop("run_metadata_file"))
    asset = given.pop("asset_path")
    if (model_path is None) == (run_id is None):
        raise click.UsageError("Give --model-path, or a run: -r or -f, with --asset-path.")
    given["tags"] = tags_given(given["tags"])
    given["properties"] = options.pairs(given["properties"], "--property")
    if run_id is None:
        made = Model.register(scope.made(), model_path or "", name, **given)
    else:
        made = scope.open().run(run_id).register_model(name, asset, **given)
    out.show(made.serialize())


@click.command("update")
@named
@click.option("--add-tag", multiple=True, metavar="KEY[=VALUE]", help="Add or replace a tag.")
@click.option("--remove-tag", multiple=True, metavar="KEY", help="Remove a tag.")
@click.option("--add-property", multiple=True, metavar="KEY=VALUE", help="Add a property: it is permanent.")
@click.option("--description", "-d", help="What the model is.")
@options.scope
@options.output
@options.common
def update(scope: Scope, out: Output, *, description: str | None, **given: Any) -> None:
    """Change the tags or the description of a model, or add properties.

    \b
    runstone model update -n digits --add-tag stage=production
    """
    found = _found(scope, given)
    found.update_tags_properties(
        tags_given(given["add_tag"]),
        list(given["remove_tag"]),
        options.pairs(given["add_property"], "--add-property"),
    )
    if description is not None:
        found.update(description=description)
    out.show(found.serialize())


@click.command("download")
@named
@click.option("--target-dir", "-t", type=click.Path(path_type=Path), default=".", help="Where to.")
@click.option("--overwrite", is_flag=True, help="Also files that are there.")
@options.scope
@options.common
def download(scope: Scope, *, target_dir: Path, overwrite: bool, **given: str | None) -> None:
    """Download the file or the folder of a model, and print its path.

    \b
    runstone model download -n digits -t models
    """
    click.echo(_found(scope, given).download(target_dir, exist_ok=overwrite))


@click.command("delete")
@named
@options.scope
@options.common
def delete(scope: Scope, **given: str | None) -> None:
    """Delete one version of a model; the run that made it keeps its files.

    \b
    runstone model delete -i digits:2
    """
    found = _found(scope, given)
    if ":" not in str(given["model_id"]) and given["version"] is None:
        raise click.UsageError(f"Say which version: -i {found.name}:{found.version}.")
    found.delete()
    output.note(f"Deleted {found.id}.")


def _found(scope: Scope, given: Mapping[str, Any]) -> Model:
    from runstone.sdk.model import Model  # loaded by the commands that need it: `--help` is quick

    id, name = given["model_id"], given["name"]
    if (id is None) == (name is None):
        raise click.UsageError("Say which model: -n NAME, or -i NAME:VERSION.")
    return Model(scope.open().sdk, name, id=id, version=given["version"])


def _run_id(given: str | None, file: Path | None) -> str | None:
    if file is None or given is not None:
        return given
    from runstone.model.documents import read_json  # loaded by the commands that need it

    document = read_json(file.read_text(encoding="utf-8"), f"file {file}")
    found = document.get("runId") if isinstance(document, dict) else None
    if not found:
        raise click.UsageError(f"{file} names no run: it has no runId.")
    return str(found)


def _rows(block: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "Model": one["name"],
            "Version": str(one["version"]),
            "Framework": one["framework"] or "",
            "Size": size(one["size"] or 0),
            "Run": one["runId"] or "",
        }
        for one in block
    ]
