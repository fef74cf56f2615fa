"""How data is printed: for programs as JSON and its kin, for people as a table that fits the terminal."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from runstone.cli import colours, selecting, tables

if TYPE_CHECKING:
    from runstone.cli.queries import Query

Document = Mapping[str, Any]
Rows = list[dict[str, str]]
Table = Callable[[Sequence[Document]], Rows]
# So many of a long listing are in memory at once.
BLOCK = 500
# What a terminal obeys and JSON leaves as it is: C1 controls, marks without a shape, changes of direction.
_OBEYED = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Output:
    """How one command was asked to print: ``-o``, ``--query``, ``--columns``, ``--output-metadata-file``."""

    asked: str | None = None
    query: Query | None = None
    columns: tuple[str, ...] = ()
    file: Path | None = None

    @property
    def form(self) -> str:
        """The form that was asked for, else a table on a terminal, and JSON elsewhere."""
        return self.asked or ("table" if sys.stdout.isatty() else "json")

    @property
    def plain(self) -> bool:
        """Whether people get the table that the command has made for them."""
        return self.form == "table" and self.query is None and not self.columns

    def otherwise(self, form: str) -> Output:
        """The same, in ``form`` unless one was asked for."""
        return replace(self, asked=self.asked or form)

    def show(self, document: Document, *, card: Iterable[str] | None = None) -> None:
        """Print one object; ``card``: its lines on a terminal, instead of names and values."""
        if self.file is not None:
            with _replaced(self.file) as stream:
                stream.write(f"{as_json(document, indent=2)}\n")
        if card is not None and self.plain:
            lines(card)
            return
        self._print(document)

    def each(
        self,
        documents: Iterable[Document],
        *,
        table: Table | None = None,
        none: str = "",
    ) -> int:
        """Print a list, as it comes, without ever having the whole of it; how many there were.

        Args:
            documents: the objects.
            table: makes rows of objects; by default a column for each of their plain values.
            none: what a person is told when there is nothing.
        """
        with _kept(self.file, documents) as kept:
            counted = _Counted(kept)
            self._list(counted, None if self.columns else table)
        if none and not counted.count and self.form == "table":
            note(none)
        return counted.count

    def _list(self, documents: Iterable[Document], table: Table | None) -> None:
        if self.query is not None:
            self._print([*documents])
            return
        if self.columns:
            documents = (selecting.picked(one, self.columns) for one in documents)
        if self.form in ("table", "tsv"):
            rows = _rows(documents, table or self._cells)
            _print_rows(self.form, rows)
            return
        lines(_SHAPES[self.form](documents))

    def _print(self, value: Any) -> None:
        if self.query is not None:
            value = self.query.of(value)
        if self.columns:
            value = selecting.within(value, self.columns)
        if self.form == "table" and isinstance(value, Mapping):
            lines(tables.card(selecting.pairs(value)))
        elif self.form in ("table", "tsv"):
            _print_rows(self.form, self._cells(value))
        else:
            shape = _SHAPES[self.form]
            lines(shape(value) if isinstance(value, list) else _single(self.form, value))

    def _cells(self, value: Any) -> Rows:
        # people look at a table; programs read the other
        return selecting.rows(value, exact=self.form == "tsv")


def lines(texts: Iterable[str]) -> None:
    """Print lines; what the terminal's encoding does not have is spelt out."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    for text in texts:
        # line by line: a reader that leaves is noticed early
        sys.stdout.write(f"{text}\n")


def warnings(texts: Iterable[str]) -> None:
    """Say what the asker should know, beside the data."""
    for text in texts:
        note(f"runstone: {text}")


def note(text: str) -> None:
    """A word to the person on stderr, unless only errors are to be shown."""
    context = click.get_current_context(silent=True)
    if context is None or not getattr(context.obj, "quiet", False):
        click.echo(tables.clean(text), err=True)


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON in which nothing is left that a terminal would obey."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return text if text.isascii() else _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What the system says against writing there, as one line with what to do."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or place} cannot be written ({error.strerror}); name another place."
        ) from error


def _print_rows(form: str, rows: Iterable[Mapping[str, str]]) -> None:
    if form == "tsv":
        lines("\t".join(tables.clean(text) for text in row.values()) for row in rows)
    else:
        lines(tables.grid([*rows], tables.width()))


def _rows(documents: Iterable[Document], table: Table) -> Iterator[Mapping[str, str]]:
    """Rows block by block; the first block decides about the columns."""
    rest = iter(documents)
    names: list[str] = []
    while block := list(itertools.islice(rest, BLOCK)):
        rows = table(block)
        names = names or [*rows[0]]
        yield from ({name: row.get(name, "") for name in names} for row in rows)


def _nothing(values: Iterable[Any]) -> Iterator[str]:
    # all the same they are read: a file may be written on the way
    for _ in values:
        yield from ()


def _json_list(values: Iterable[Any]) -> Iterator[str]:
    """A JSON array, element by element."""
    before = ""
    for value in values:
        yield f"{before}," if before else "["
        before = "\n".join(f"  {line}" for line in as_json(value, indent=2).split("\n"))
    if not before:
        yield "[]"
        return
    yield before
    yield "]"


def _jsonc_list(values: Iterable[Any]) -> Iterator[str]:
    return map(colours.json, _json_list(values)) if colours.wanted() else _json_list(values)


def _ndjson_list(values: Iterable[Any]) -> Iterator[str]:
    return map(as_json, values)


def _yaml_list(values: Iterable[Any]) -> Iterator[str]:
    found = False
    for value in values:
        found = True
        yield _yaml([value])
    if not found:
        yield "[]"


def _yamlc_list(values: Iterable[Any]) -> Iterator[str]:
    return map(colours.yaml, _yaml_list(values)) if colours.wanted() else _yaml_list(values)


# How a list is printed, in each form but those of people.
_SHAPES: Mapping[str, Callable[[Iterable[Any]], Iterator[str]]] = {
    "json": _json_list,
    "jsonc": _jsonc_list,
    "ndjson": _ndjson_list,
    "none": _nothing,
    "yaml": _yaml_list,
    "yamlc": _yamlc_list,
}


def _single(form: str, value: Any) -> Iterator[str]:
    """The lines of one value that is no list."""
    if form == "none":
        return
    if form == "ndjson":
        yield as_json(value)
        return
    text = _yaml(value) if form.startswith("yaml") else as_json(value, indent=2)
    coloured = form.endswith("c") and colours.wanted()
    colour = colours.yaml if form.startswith("yaml") else colours.json
    yield colour(text) if coloured else text


def _yaml(value: Any) -> str:
    import yaml  # 30 ms that only this form is worth

    text = str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False))
    if _OBEYED.search(text):
        text = str(yaml.safe_dump(value, allow_unicode=False, sort_keys=False))
    return text.rstrip("\n").removesuffix("\n...")


class _Counted:
    """Passes things on, and knows how many there were."""

    def __init__(self, things: Iterable[Document]) -> None:
        self._things = things
        self.count = 0

    def __iter__(self) -> Iterator[Document]:
        for thing in self._things:
            self.count += 1
            yield thing


@contextmanager
def _kept(file: Path | None, documents: Iterable[Document]) -> Iterator[Iterable[Document]]:
    """The documents; as they are taken, they are written to a file, too."""
    if file is None:
        yield documents
        return
    with _replaced(file) as stream:
        first = True

        def copied() -> Iterator[Document]:
            nonlocal first
            for one in documents:
                stream.write(f"{'[' if first else ','}\n{as_json(one)}")
                first = False
                yield one

        yield copied()
        stream.write("[]\n" if first else "\n]\n")


@contextmanager
def _replaced(file: Path) -> Iterator[IO[str]]:
    """A file that takes its place when it is whole; a pipe or a device is written to, and stays one."""
    if file.exists() and not file.is_file():
        with open(file, "w", encoding="utf-8") as stream:
            yield stream
        return
    # where a link leads, so that it stays a link
    place = file.resolve()
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with writing(file):
            stream = open(aside, "w", encoding="utf-8")  # noqa: SIM115  (closed below, before it is renamed)
        with stream:
            yield stream
        os.replace(aside, place)
    finally:
        aside.unlink(missing_ok=True)
