"""The OpenAPI document: derived from the operations, as routes and client are."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from runstone import __version__
from runstone.service import problems, wire

REFERENCE = "#/components/schemas/{name}"
BYTES: Mapping[str, Any] = {"application/octet-stream": {}}
# The routes whose bodies are bytes: what they do, and what their query holds.
STREAMS: Mapping[tuple[str, str], tuple[str, Sequence[str]]] = {
    ("PUT", "/runs/{workspace}/{run}/artifact/content"): (
        "Keep the body as a new version of the file.",
        ("name", "overwrite"),
    ),
    ("GET", "/runs/{workspace}/{run}/artifact/content"): (
        "A file's bytes; a Range is honoured.",
        ("name", "version", "offset"),
    ),
    ("GET", "/runs/{workspace}/{run}/log"): (
        "At most `most` bytes (1 MiB) of a log from an offset on; none at its end.",
        ("name", "offset", "most"),
    ),
    ("PUT", "/contents"): ("Keep the content of one file of a snapshot or a model.", ()),
    ("GET", "/contents/{sha256}"): ("The content of one file.", ()),
    ("GET", "/runs/{workspace}/{run}/export"): ("Everything that belongs to a run.", ()),
    ("POST", "/workspaces/{workspace}/import"): ("Take in what an export gave.", ()),
}
PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "The kind of error, as the SDK raises it."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, with which value, and what to do."},
        "expected": {"description": "What would have been right, where that is one value."},
        "position": {
            "type": "integer",
            "description": "The character of a filter where it goes wrong, from 0.",
        },
    },
}


def document() -> dict[str, Any]:
    """The document, as it is checked in under docs/ and served to who asks."""
    calls = wire.calls()
    hints = [hint for call in calls for hint in (call.answer, *call.parts.values(), *call.fields.values())]
    schemas, components = msgspec.json.schema_components(hints, ref_template=REFERENCE)
    known = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        answer = next(known)
        parts = {name: next(known) for name in call.parts}
        fields = {name: next(known) for name in call.fields}
        paths.setdefault(wire.PREFIX + call.path, {})[call.verb.lower()] = _operation(
            call, answer=answer, parts=parts, fields=fields
        )
    for (verb, path), (text, query) in STREAMS.items():
        paths.setdefault(wire.PREFIX + path, {})[verb.lower()] = _stream(path, text, verb=verb, query=query)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Runstone", "version": __version__},
        "security": [{"token": []}],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**{name: components[name] for name in sorted(components)}, "Problem": PROBLEM},
        },
    }


def text() -> str:
    """The document as it is checked in."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _operation(
    call: wire.Call, *, answer: Any, parts: Mapping[str, Any], fields: Mapping[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{call.resource}.{call.name}",
        "tags": [call.resource],
        "summary": call.doc.partition("\n\n")[0].replace("\n", " "),
        "description": call.doc,
        "parameters": [*_in_path(call.path, parts), *(_in_query(call, fields) if call.in_query else ())],
        "responses": _responses({wire.JSON: {"schema": answer}, wire.PACKED: {"schema": answer}}),
    }
    if not call.in_query:
        body = {
            "type": "object",
            "required": [name for name in fields if name not in call.defaults],
            "properties": dict(fields),
            "additionalProperties": False,
        }
        content = {wire.JSON: {"schema": body}, wire.PACKED: {"schema": body}}
        found["requestBody"] = {"required": bool(body["required"]), "content": content}
    return found


def _stream(path: str, text: str, *, verb: str, query: Sequence[str]) -> dict[str, Any]:
    whole = {name: {"type": "string"} for name in query}
    named = [{"name": name, "in": "query", "schema": schema} for name, schema in whole.items()]
    found: dict[str, Any] = {
        "summary": text,
        "parameters": [*_in_path(path, {}), *named],
        "responses": _responses({wire.JSON: {}} if verb != "GET" else BYTES),
    }
    if verb != "GET":
        found["requestBody"] = {"required": True, "content": dict(BYTES)}
    return found


def _in_path(path: str, schemas: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        schema = schemas.get(name, {"type": "string"})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(call: wire.Call, schemas: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, schema in schemas.items():
        yield {"name": name, "in": "query", "required": name not in call.defaults, "schema": schema}


def _responses(content: Mapping[str, Any]) -> dict[str, Any]:
    refused = {problems.MEDIA: {"schema": {"$ref": REFERENCE.format(name="Problem")}}}
    return {
        "200": {"description": "Done.", "content": dict(content)},
        "default": {"description": "Refused, and why.", "content": refused},
    }


if __name__ == "__main__":
    sys.stdout.write(text())
