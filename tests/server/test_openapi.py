"""The OpenAPI document: checked in as it is derived, and complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.routing import Route

from runstone.server import openapi
from runstone.server.app import application
from runstone.service import wire
from runstone.service.connect import Settings
from runstone.service.remote import RemoteService
from tests.server.conftest import Served
from tests.sources import ROOT

RENEW = "renew it: .venv/bin/python -m runstone.server.openapi > docs/openapi.json"


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def test_the_document_that_is_checked_in_is_the_one_that_is_derived():
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == openapi.text(), RENEW


def test_every_route_is_described_and_nothing_else(tmp_path: Path):
    resources = RemoteService("http://127.0.0.1:9", Settings(home=tmp_path)).resources
    served = {
        (verb.lower(), route.path)
        for route in application(resources).routes
        if isinstance(route, Route) and route.path.startswith(wire.PREFIX)
        for verb in (route.methods or set()) - {"HEAD"}
    }
    described = {(verb, path) for path, verbs in openapi.document()["paths"].items() for verb in verbs}
    assert served - described == {("get", f"{wire.PREFIX}/openapi.json")}
    assert described <= served


def test_what_the_document_refers_to_is_in_it():
    document = openapi.document()
    for reference in set(references(document)):
        name = re.fullmatch(r"#/components/schemas/([\w.]+)", reference)
        assert name is not None
        assert name[1] in document["components"]["schemas"]


def test_who_has_the_token_is_given_the_document(served: Served):
    status, content = served.ask("/api/v1/openapi.json", Authorization=f"Bearer {served.token}")
    assert (status, json.loads(content)["openapi"]) == (200, "3.1.0")
    assert served.ask("/api/v1/openapi.json")[0] == 401
