"""Registered models in the database: assets that are made of contents, which stay as long as they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from runstone.model.assets import Asset
from runstone.model.errors import Conflict, NotFound
from runstone.model.models import Model, ModelChange, ModelFile, NewModel, model_name
from runstone.model.names import clean, sought
from runstone.store import artifacts, assets, attributes
from runstone.store.database import Transaction

KIND = "model"
DESCRIPTION = 64 * 1024
NAMES_IN_ERROR = 20

# What of a model its asset does not say already.
_OF_THE_BODY = {each.name for each in fields(Model)} - {"name", "version", "created"}

ADD_FILE = """
INSERT INTO asset_files (asset, path, sha256, size)
SELECT n, :path, :sha256, :size
  FROM assets
 WHERE workspace = :workspace
   AND kind = :kind
   AND name = :name
   AND version = :version"""

FILES = """
SELECT f.path, f.sha256, f.size
  FROM asset_files f
  JOIN assets a ON a.n = f.asset
 WHERE a.workspace = :workspace
   AND a.kind = :kind
   AND a.name = :name
   AND a.version = :version
 ORDER BY f.path"""


def of_run(tx: Transaction, run: int, path: str) -> tuple[ModelFile, ...]:
    """A file or a folder of a run as files of a model; NotFound names what there is, in the original's
    words."""
    found = artifacts.under(tx, run, path)
    if not found:
        names = [one.name for one in artifacts.under(tx, run)]
        more = f" and {len(names) - NAMES_IN_ERROR:,} more" if len(names) > NAMES_IN_ERROR else ""
        raise NotFound(
            f"Could not locate the provided model_path {path} in the set of files uploaded to the run: "
            f"{names[:NAMES_IN_ERROR]}{more}"
        )
    top = path.rpartition("/")[2]
    # a file of that very name, rather than a folder that is called alike
    meant = [one for one in found if one.name == path] or found
    return tuple(ModelFile(top + one.name.removeprefix(path), one.sha256, one.size) for one in meant)


def register(
    tx: Transaction, workspace: int, new: NewModel, *, experiment: str | None = None, now: int
) -> Model:
    """A new version of the name, whose contents are in place already."""
    name = model_name(new.name)
    model = Model(
        name,
        0,
        new.path,
        files=len(new.files),
        size=sum(file.size for file in new.files),
        run=new.run,
        experiment=experiment,
        tags=attributes.checked(attributes.TAG, new.tags),
        properties=_properties(new.properties),
        description=_description(new.description),
        framework=new.framework,
        framework_version=new.framework_version,
        more=dict(new.more),
    )
    made = assets.register(tx, workspace, KIND, name=name, body=_body(model), now=now, again=True)
    key = {"workspace": workspace, "kind": KIND, "name": name, "version": made.version}
    tx.many(
        artifacts.ADD_BLOB, [{"sha256": file.sha256, "size": file.size, "now": now} for file in new.files]
    )
    tx.many(ADD_FILE, [{**key, **asdict(file)} for file in new.files])
    return _model(made)


def get(tx: Transaction, workspace: int, name: str, *, version: int | None = None) -> Model:
    """One version, the latest by default; NotFound and Gone as of assets."""
    return _model(assets.get(tx, workspace, KIND, name=name, version=version))


def every(tx: Transaction, workspace: int, *, name: str | None = None, latest: bool = False) -> list[Model]:
    """The versions of all names or of one, the newest first; of each name only the latest when asked so."""
    if latest:
        found = assets.latest(tx, workspace, KIND)
    elif name is not None:
        found = assets.versions(tx, workspace, KIND, name=name)
    else:
        found = assets.every(tx, workspace, KIND)
    models = [_model(one) for one in found if name in (None, one.name)]
    return sorted(models, key=lambda model: (model.created, model.version), reverse=True)


def files(tx: Transaction, workspace: int, name: str, *, version: int) -> list[ModelFile]:
    """The files of a version, by path."""
    get(tx, workspace, name, version=version)
    key = {"workspace": workspace, "kind": KIND, "name": name, "version": version}
    return [ModelFile(row["path"], row["sha256"], row["size"]) for row in tx.execute(FILES, key)]


def change(tx: Transaction, workspace: int, name: str, *, version: int, wanted: ModelChange) -> Model:
    """Change what people say of a version, all of it or nothing; Conflict for a property of another value."""
    assets.lock(tx, workspace)
    known = get(tx, workspace, name, version=version)
    removed = {sought(key) for key in wanted.untag}
    added = _properties(wanted.properties)
    for key, value in added.items():
        if known.properties.get(key, value) != value:
            raise Conflict(
                f"The property {key!r} of the model {name}:{version} is {known.properties[key]!r} already: "
                f"properties are permanent. Nothing of this call was kept; use another key, or a tag."
            )
    tags = {**known.tags, **attributes.checked(attributes.TAG, wanted.tags)}
    changed = replace(
        known,
        tags={key: value for key, value in tags.items() if key not in removed},
        properties={**known.properties, **added},
        description=known.description if wanted.description is None else _description(wanted.description),
        more={**known.more, **wanted.more},
    )
    assets.rewrite(tx, workspace, KIND, name=name, version=version, body=_body(changed))
    return changed


def _properties(values: Mapping[str, str]) -> dict[str, str]:
    found = attributes.checked(attributes.PROPERTY, values)
    return {key: value or "" for key, value in found.items()}


def _description(text: str | None) -> str | None:
    return None if text is None else clean(text, "description", limit=DESCRIPTION)


def _body(model: Model) -> dict[str, Any]:
    return {name: value for name, value in asdict(model).items() if name in _OF_THE_BODY}


def _model(asset: Asset) -> Model:
    # what a newer version has added to it is not this one's to read
    known = {name: value for name, value in asset.body.items() if name in _OF_THE_BODY}
    return Model(asset.name, asset.version, created=asset.created, **{"path": asset.name, **known})
