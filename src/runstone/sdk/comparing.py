"""What differs between two runs: what is known of each, side by side, in one order."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from runstone.model.differences import ABSENT, Change, Difference, Section, Side
from runstone.model.documents import read_json
from runstone.model.errors import Invalid
from runstone.model.metrics import Latest
from runstone.sdk import capture
from runstone.sdk.charts import URI
from runstone.sdk.comparing_files import Content, compared_files
from runstone.sdk.files import CAPTURED

if TYPE_CHECKING:
    from runstone.sdk.run import Run

_SOURCE = "runstone.source."
_GIT = ("azureml.git.", "mlflow.source.git.")
_MACHINE = ("runstone.host", "runstone.user", "runstone.python", "runstone.platform")
_SCRIPTS = ("system/script/", capture.DIFF_FILE)
# What belongs to a definition beside its environment, its script and its arguments.
_ASKED = ("communicator", "framework", "maxRunDurationSeconds", "nodeCount", "priority")
_PARTS = ("count", "last", "min", "max")
# A captured document larger than this is no longer read into keys.
_MOST = 4 * 1024 * 1024


def difference(a: Run, b: Run) -> Difference:
    """What differs between two runs, which may be of different histories."""
    left, right = _Facts(a), _Facts(b)
    sections = [
        _values("run", left.run, right.run),
        _values("script", left.script, right.script),
        _values("arguments", left.arguments, right.arguments),
        _values("params", left.params, right.params),
        _values("tags", left.tags, right.tags),
        _values("properties", left.properties, right.properties),
        _known("environment", left.environment, right.environment, noun="captured environment"),
        _known("packages", left.packages, right.packages, noun="list of packages"),
        _known("git", left.git, right.git, noun="git state"),
        _source(left.source, right.source),
        _metrics(left.metrics, right.metrics),
        _files(left.files, right.files),
    ]
    differing = {one.name: one for one in sections if one.changes or one.note}
    return Difference(left.side, right.side, differing)


@dataclass(frozen=True)
class _Facts:
    """What is compared of one run."""

    of: Run

    @property
    def side(self) -> Side:
        record = self.of._record
        return Side(record.id, record.experiment, record.number)

    @property
    def run(self) -> dict[str, Any]:
        record = self.of._record
        error = record.error or {}
        found: dict[str, Any] = {"experiment": record.experiment, "status": str(record.status)}
        found |= {
            "target": record.target,
            "type": record.type,
            "error": error.get("message") or error.get("code"),
        }
        found |= {key: self._definition.get(key) for key in _ASKED}
        return {key: value for key, value in found.items() if value is not None}

    @property
    def script(self) -> dict[str, Any]:
        found = _below(self.of._record.properties, _SOURCE)
        found.pop("command", None)
        return found | ({"script": self._definition["script"]} if self._definition.get("script") else {})

    @property
    def arguments(self) -> dict[str, Any]:
        definition = self._definition
        said = definition.get("command") or definition.get("arguments")
        command = self.of._record.properties.get(f"{_SOURCE}command")
        if said:
            return {"arguments": said}
        return {"command": command} if command else {}

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.of._record.params)

    @property
    def tags(self) -> dict[str, Any]:
        return dict(self.of._record.tags)

    @property
    def properties(self) -> dict[str, Any]:
        elsewhere = (_SOURCE, *_GIT)
        return {
            key: value
            for key, value in self.of._record.properties.items()
            if not key.startswith(elsewhere) and key not in _MACHINE
        }

    @property
    def environment(self) -> dict[str, Any]:
        asked = _flat("definition", self._definition.get("environment"))
        captured = self._document(capture.ENVIRONMENT_FILE)
        if captured is None:
            properties = self.of._record.properties
            found = {key.partition(".")[2]: properties[key] for key in _MACHINE if key in properties}
            return {**asked, **found}
        return {**asked, **_flat("", captured)}

    @property
    def packages(self) -> dict[str, Any]:
        return dict(_packages(self._text(capture.PACKAGES_FILE) or ""))

    @property
    def git(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for prefix in reversed(_GIT):
            found |= _below(self.of._record.properties, prefix)
        uri = found.pop("repoURL", None)
        return found | ({"repository_uri": uri} if uri and "repository_uri" not in found else {})

    @property
    def source(self) -> dict[str, Content]:
        service, id = self.of._service, self.of.get_snapshot_id()
        snapshot = () if id is None else service.snapshots.get(id).files
        found = {
            file.path: Content(file.sha256, file.size, partial(service.snapshots.open, file.sha256))
            for file in snapshot
        }
        return {name: one for name, one in self._contents.items() if name.startswith(_SCRIPTS)} | found

    @property
    def metrics(self) -> Mapping[str, dict[str, Any]]:
        latest = self.of._service.metrics.latest(self.of._ref)
        return {
            name: _summary(one, self.of.id)
            for name, one in latest.items()
            # what is sampled of the machine differs from one second to the next
            if not name.startswith("system.")
        }

    @property
    def files(self) -> dict[str, Any]:
        return {
            name: {"sha256": one.sha256, "size": one.size}
            for name, one in self._contents.items()
            if not name.startswith(CAPTURED)
        }

    @cached_property
    def _contents(self) -> dict[str, Content]:
        service, ref = self.of._service, self.of._ref
        return {
            one.name: Content(one.sha256, one.size, partial(service.artifacts.open, ref, one.name))
            for one in service.artifacts.list(ref)
        }

    @property
    def _definition(self) -> Mapping[str, Any]:
        return self.of._record.definition or {}

    def _text(self, name: str) -> str | None:
        content = self._contents.get(name)
        if content is None or content.size > _MOST:
            return None
        with content.open() as stream:
            return stream.read().decode("utf-8", "replace")

    def _document(self, name: str) -> Any:
        text = self._text(name)
        try:
            return None if text is None else read_json(text, name)
        except Invalid:
            # somebody else's file under that name
            return None


def _values(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Section:
    return Section(name, tuple(_changes(a, b)))


def _known(name: str, a: Mapping[str, Any], b: Mapping[str, Any], *, noun: str) -> Section:
    """As ``_values``; what one side lacks altogether is said in a sentence, not key by key."""
    if bool(a) != bool(b):
        return Section(name, note=f"Only {'A' if a else 'B'} has a {noun} ({len(a or b):,} entries).")
    return _values(name, a, b)


def _source(a: Mapping[str, Content], b: Mapping[str, Content]) -> Section:
    if bool(a) != bool(b):
        files = f"{len(a or b):,} file{'s' * (len(a or b) != 1)}"
        return Section("source", note=f"Only {'A' if a else 'B'} has its source kept ({files}).")
    return Section("source", tuple(compared_files(a, b)))


def _metrics(a: Mapping[str, dict[str, Any]], b: Mapping[str, dict[str, Any]]) -> Section:
    lacking = f"Only {'A' if a else 'B'} has metrics." if bool(a) != bool(b) else None
    changes = (
        Change(name, left, right, part=part, relative=_relative(left, right))
        for name in sorted(a.keys() | b.keys())
        for part, left, right in _differing(a.get(name, {}), b.get(name, {}), keys=(*_PARTS, "value"))
    )
    return Section("metrics", tuple(changes), lacking)


def _files(a: Mapping[str, Any], b: Mapping[str, Any]) -> Section:
    lacking = f"Only {'A' if a else 'B'} has files." if bool(a) != bool(b) else None
    return Section("files", tuple(_changes(a, b)), lacking)


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    for name, left, right in _differing(a, b, keys=sorted(a.keys() | b.keys())):
        yield Change(name, left, right)


def _differing(a: Mapping[str, Any], b: Mapping[str, Any], *, keys: Any) -> Iterator[tuple[str, Any, Any]]:
    for key in keys:
        left, right = a.get(key, ABSENT), b.get(key, ABSENT)
        # NaN is itself here
        if left is not right and left != right and not (_nan(left) and _nan(right)):
            yield key, left, right


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _relative(a: Any, b: Any) -> float | None:
    if not isinstance(a, int | float) or not isinstance(b, int | float) or not a:
        return None
    change = (b - a) / abs(a)
    return change if math.isfinite(change) else None


def _summary(latest: Latest, id: str) -> dict[str, Any]:
    found = {"count": latest.count, "last": latest.last, "min": latest.min, "max": latest.max}
    if latest.last is None and latest.value is not None:
        # the address of a file names its run, and that says nothing here
        found["value"] = latest.value.removeprefix(f"{URI}{id}/")  # type: ignore[assignment]
    return {part: value for part, value in found.items() if value is not None}


def _below(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    """A document as one level of dotted keys; lists stay as they are."""
    if not isinstance(value, Mapping):
        return {} if value is None else {prefix: value if _simple(value) else json.dumps(value)}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    return found


def _simple(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _packages(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, sign, version = line.strip().partition("==")
        if sign and not name.startswith("#"):
            yield name, version
