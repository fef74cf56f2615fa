"""Data by their recipe: which files they are made of, and those files on this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from runstone.model.data import Recipe, Source
from runstone.model.errors import Invalid, UserErrorException
from runstone.model.names import relative_name
from runstone.service import folders
from runstone.service.datastores import Datastores
from runstone.service.storage import Directory, Entry, Storage


@dataclass(frozen=True)
class File:
    """A file of some data: its name among them, and where it is."""

    name: str
    storage: Storage
    key: str
    size: int | None = None

    @property
    def path(self) -> str:
        """Where it is, as far as that is known, with ``/`` between the parts."""
        return (self.storage.root / self.key).as_posix() if isinstance(self.storage, Directory) else self.key

    def open(self) -> BinaryIO:
        """Its bytes."""
        return self.storage.open(self.key)

    def local(self) -> Path | None:
        """Where it is on this machine; None when it is elsewhere."""
        return self.storage.local(self.key)


@dataclass(frozen=True)
class _Found:
    """A file as its source has it: the label and the base of the source, and the rest of its name."""

    label: str
    base: str
    rest: str
    file: File


@dataclass(frozen=True)
class _Parts:
    """A stream that says when it is asked for more."""

    stream: BinaryIO
    between: Callable[[], object]

    def read(self, size: int) -> bytes:
        self.between()
        return self.stream.read(size)


def files(stores: Datastores, recipe: Recipe) -> list[File]:
    """The files of a recipe, each once, the steps of a recipe of files taken.

    One source's files are named from its folder on; those of several from the folder that all share, below
    the name of their datastore where these differ. UserErrorException when two files would have one name.
    """
    found = list(_found(stores, recipe.sources))
    unique = {(one.label, one.file.key): one for one in found}
    named = _unambiguous([_named(one, list(unique.values())) for one in unique.values()])
    return _taken(named, recipe.steps) if recipe.kind == "file" else named


def whole_folder(stores: Datastores, recipe: Recipe) -> Path | None:
    """The directory of this machine that is just what the recipe says, if there is one."""
    if len(recipe.sources) != 1 or recipe.steps or recipe.sources[0].remote:
        return None
    source = recipe.sources[0]
    if source.pattern is not None and source.path[len(source.base) :].lstrip("/") not in ("**", "**/*"):
        return None
    storage, base = stores.place(source)
    path = storage.local(base)
    return path if path is not None and path.is_dir() else None


def make_folder(stores: Datastores, recipe: Recipe) -> None:
    """Make the folder that a recipe of one source means, where it is missing from a directory."""
    storage, base = stores.place(recipe.sources[0])
    if isinstance(storage, Directory) and storage.local(base) is None:
        storage.make(base)


def download(
    found: Sequence[File],
    target: Path,
    *,
    overwrite: bool = False,
    between: Callable[[], object] = lambda: None,
) -> list[Path]:
    """Write files below a directory; their paths. ``between`` is called before each part of each of them.

    UserErrorException, before anything is written, when one is there and not ``overwrite``.
    """
    paths = [target.joinpath(*file.name.split("/")) for file in found]
    there = [path for path in paths if os.path.lexists(path)]
    if there and not overwrite:
        raise UserErrorException(f"{there[0]} is there already; give overwrite=True to replace it.")
    for file, path in zip(found, paths, strict=True):
        with file.open() as stream:
            folders.save(cast(BinaryIO, _Parts(stream, between)), path, inside=target)
    return paths


def mount(found: Sequence[File], target: Path, **more: Any) -> list[Path]:
    """Files below a directory, for reading: links to those of this machine, copies of the others."""
    elsewhere = [file for file in found if file.local() is None]
    download(elsewhere, target, **more)
    target.mkdir(parents=True, exist_ok=True)
    for file in found:
        real = file.local()
        if real is not None:
            path = target.joinpath(*file.name.split("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(real)
    return [target.joinpath(*file.name.split("/")) for file in found]


def upload(
    storage: Storage,
    pairs: Sequence[tuple[str, Path]],
    *,
    overwrite: bool,
    between: Callable[[], object] = lambda: None,
) -> None:
    """Write local files into a storage under their names; ``between`` is called before each of them."""
    for name, path in pairs:
        between()
        with folders.opened(path) as stream:
            storage.put(name, stream, overwrite=overwrite)


def _found(stores: Datastores, sources: Sequence[Source]) -> Iterator[_Found]:
    for source in sources:
        storage, base = stores.place(source)
        pattern = source.pattern
        for entry in storage.list(base):
            rest = entry.name.removeprefix(base).lstrip("/") if base else entry.name
            if pattern is None or pattern.fullmatch(rest):
                yield _at(source, storage, entry)


def _at(source: Source, storage: Storage, entry: Entry) -> _Found:
    """A file with the folder of its source: for a file by itself, the folder that it is in."""
    file = File(entry.name, storage, entry.name, entry.size)
    if source.datastore is not None:
        base = source.base if entry.name != source.base else str(PurePosixPath(source.base).parent)
        base = "" if base == "." else base
        return _Found(source.datastore, base, entry.name.removeprefix(base).lstrip("/"), file)
    if source.remote:
        return _Found(source.path, "", entry.name, file)
    base = source.base if not isinstance(storage, Directory) else str(storage.root)
    return _Found(base, "", entry.name, file)


def _named(one: _Found, among: Sequence[_Found]) -> File:
    labels = {other.label for other in among}
    if len(labels) == 1 and len({other.base for other in among}) == 1:
        name = one.rest
    elif len(labels) == 1:
        shared = os.path.commonpath([f"/{other.base}" for other in among]).lstrip("/")
        name = one.file.key.removeprefix(shared).lstrip("/")
    else:
        name = f"{_short(one.label, labels)}/{one.file.key}"
    return File(relative_name(name), one.file.storage, one.file.key, one.file.size)


def _short(label: str, labels: set[str]) -> str:
    """A folder's name for a datastore, a directory or an address: its last part, numbered among its like."""
    last = PurePosixPath(label.partition("?")[0]).name or "data"
    same = sorted(
        other for other in labels if (PurePosixPath(other.partition("?")[0]).name or "data") == last
    )
    return last if same[0] == label else f"{last}_{same.index(label) + 1}"


def _unambiguous(found: Sequence[File]) -> list[File]:
    by_name: dict[str, File] = {}
    for file in found:
        other = by_name.setdefault(file.name, file)
        if other is not file:
            raise Invalid(
                f"Two files would be called {file.name!r}; choose the paths so that their names differ."
            )
    return list(by_name.values())


def _taken(found: list[File], steps: Sequence[Mapping[str, Any]]) -> list[File]:
    for step in steps:
        if step["do"] == "take":
            found = found[: step["count"]]
        elif step["do"] == "skip":
            found = found[step["count"] :]
        elif step["do"] == "sample":
            found = [file for file in found if _chance(file.name, step["seed"]) < step["share"]]
        elif step["do"] == "split":
            found = [
                file for file in found if (_chance(file.name, step["seed"]) < step["share"]) is step["first"]
            ]
    return found


def _chance(name: str, seed: int) -> float:
    """From 0 to 1, by the name: a file stays on its side when others come."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
