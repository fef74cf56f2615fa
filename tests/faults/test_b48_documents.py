"""b48: JSON that somebody else wrote is read within limits, at once, wherever it comes from; YAML is never
loaded but safely."""

from __future__ import annotations

import ast
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runstone import Run, Workspace
from runstone.exceptions import UserErrorException
from runstone.journal import frames
from runstone.journal.shipper import Shipper
from runstone.model.documents import read_json
from runstone.model.errors import Invalid
from runstone.model.yaml_documents import read_yaml
from runstone.service.inspection import inspect
from runstone.store.database import open_database
from tests.logged import Logged, Writer
from tests.scripts import Stage, quality
from tests.sources import PACKAGE, shown, tree

SMALL = 60_000
LARGE = 2_000_000
UNSAFE = {"full_load", "full_load_all", "unsafe_load", "unsafe_load_all"}
UNSAFE |= {"loader", "cloader", "fullloader", "unsafeloader", "baseloader"}

# Each for a size; none of them is a document.
HOSTILE: dict[str, Callable[[int], str]] = {
    "deep lists": lambda size: "[" * size,
    "deep lists that end": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "deep objects": lambda size: '{"a":' * (size // 5),
    "deep within a value": lambda size: '{"a": [' + '{"b": [' * 100 + "]}" * 100 + "]}",
    "laughs": lambda size: '{"lol": ' + "[" * 70 + '"lol",' * (size // 10) + "]" * 70 + "}",
    "a huge integer": lambda size: '{"a": ' + "9" * size + "}",
    "a huge fraction": lambda size: '{"a": 0.' + "9" * size + "}",
    "a huge exponent": lambda size: '{"a": 1e' + "9" * size + "}",
    "many long integers and no end": lambda size: '{"a": [' + ("9" * 4_000 + ",") * (size // 4_000),
    "a key twice": lambda size: '{"a": 1, "a": 2}',
    "a key twice within": lambda size: '{"b": {"a": 1, "c": [], "a": 2}}',
    "a key twice by an escape": lambda size: '{"a": 1, "\\u0061": 2}',
    "a key twice among many": lambda size: "{" + "".join(f'"{n}":1,' for n in range(size // 10)) + '"7":1}',
    "a text without an end": lambda size: '{"a": "' + '\\"' * (size // 2),
    "escapes without an end": lambda size: "\\" * size,
    "quotes": lambda size: '"' * size,
    "nothing": lambda size: "",
    "blanks": lambda size: " " * size,
    "two documents": lambda size: "{} {}",
    "a tag of YAML": lambda size: "!!python/object/apply:os.system ['true']",
}


@pytest.fixture
def run(stage: Stage) -> Iterator[Run]:
    from runstone import Experiment

    started = Experiment(stage.workspace(), "faults").start_logging(run_id="r", outputs=False)
    yield started
    started.complete()


@pytest.mark.parametrize("case", HOSTILE)
def test_a_document_is_refused_in_proportion_to_its_length(case: str):
    text = HOSTILE[case](LARGE)
    began = time.process_time()
    with pytest.raises(Invalid) as refused:
        read_json(text, "document")
    # a minute would be the sign of a search that begins over and over; this is no measurement
    assert time.process_time() - began < 20
    assert refused.value.message.startswith("The document ")
    assert len(refused.value.message) < 400


def test_what_is_at_the_limits_is_read():
    assert read_json("[" * 64 + "]" * 64, "document")
    with pytest.raises(Invalid, match="deeper than 64 levels"):
        read_json("[" * 65 + "]" * 65, "document")
    assert read_json('{"a": "' + "[{" * 1_000 + '", "b\\"[": "\\\\"}', "document") == {
        "a": "[{" * 1_000,
        'b"[': "\\",
    }
    assert read_json("9" * 4_000, "document") == int("9" * 4_000)
    with pytest.raises(Invalid, match="over the size limit"):
        read_json(" " * (16 * 1024 * 1024) + "1", "document")


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_configuration_is_told_with_its_path(stage: Stage, case: str):
    for name in (".runstone/config.json", ".azureml/config.json"):
        folder = stage.folder / "project" / name.strip(".").partition("/")[0]
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(HOSTILE[case](SMALL), encoding="utf-8")
        with pytest.raises(UserErrorException) as refused:
            Workspace.from_config(folder)
        assert str(path) in refused.value.message


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_chart_is_refused_and_leaves_nothing(run: Run, case: str):
    for call in ("confusion_matrix", "accuracy_table", "predictions", "residuals"):
        with pytest.raises(UserErrorException, match=f"The {call} 'chart' "):
            getattr(run, f"log_{call}")("chart", HOSTILE[case](SMALL))
    assert run.get_metrics() == {}
    assert run.get_file_names() == []


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_in_the_place_of_a_chart_comes_back_as_it_is(run: Run, case: str):
    run.log_confusion_matrix("chart", {"schema_type": "confusion_matrix", "data": {}})
    text = HOSTILE[case](SMALL).encode()
    run._service.artifacts.upload(run._ref, "chart", content=io.BytesIO(text))
    assert run.get_metrics(populate=True) == {"chart": text}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_text_of_tags_that_is_no_document_is_one_tag_or_refused(run: Run, case: str):
    text = HOSTILE[case](SMALL)
    if text and len(text) <= 250:
        run.set_tags(text)
        assert run.get_tags() == {text: None}
        return
    with pytest.raises(UserErrorException, match="tag key"):
        run.set_tags(text)
    assert run.get_tags() == {}


def framed(shape: int, text: str) -> bytes:
    payload = text.encode()
    return frames.seal(frames.HEADER.pack(len(payload) + frames.OVERHEAD, shape) + payload)


def records() -> dict[str, str]:
    """Bodies of records that no writer of ours would leave."""
    whole = '{"kind": "value", "name": "a", "type": "text", "value": "x", "time": 1, '
    return {
        **{case: HOSTILE[case](SMALL) for case in HOSTILE},
        "deep in a record": whole + '"more": ' + "[" * 100 + "]" * 100 + "}",
        "a key twice in a record": whole + '"value": "y"}',
        "a huge step": whole + '"step": ' + "9" * 5_000 + "}",
        "a step beyond 64 bits": whole + '"step": 9223372036854775808}',
        "a list": "[]",
        "a number": "5",
        "a tagged number": '{"$float": "NaN"}',
        "a tag of no number": '{"kind": "row", "name": "a", "time": 1, "columns": {"b": {"$float": [1]}}}',
        "an integer of no digits": whole.replace('"text"', '"int"').rstrip(", ") + "}",
        "another kind": '{"kind": "pickle", "time": 1}',
        "no kind": "{}",
    }


RECORDS = records()


@pytest.mark.parametrize("case", RECORDS)
@pytest.mark.parametrize("shape", [frames.RECORD, frames.SHAPE, frames.HEAD], ids=["record", "shape", "head"])
def test_a_hostile_frame_is_refused_and_nothing_of_its_batch_is_kept(tmp_path: Path, case: str, shape: int):
    with closing(open_database(tmp_path / "history.db")) as database:
        history = Logged(database)
        history.begin()
        run = history.start()
        good = Writer().log({"loss": 1.0}).batch()
        with pytest.raises(Invalid, match=rf"The frame at byte {len(good)} cannot be read"):
            history.runs.append(run, writer="w", first=1, records=good + framed(shape, RECORDS[case]))
        assert history.rows(run)["metric_batch"] == 0
        assert history.metrics.values([run]) == {run: {}}
        assert history.runs.append(run, writer="w", first=1, records=good) == 1


@pytest.mark.parametrize("case", RECORDS)
def test_a_hostile_journal_stops_nobody_else(stage: Stage, run: Run, case: str):
    run.log("loss", 1.0)
    run.flush()
    head = json.dumps(
        {"run": run._ref, "writer": "0" * 32, "segment": 1, "first": 1, "lost": 0}
        | {"host": "elsewhere", "boot": "b", "pid": 1, "start": 1, "created_us": 1}
    )
    bodies = {
        "1" * 32: framed(frames.HEAD, RECORDS[case]),
        "2" * 32: framed(frames.HEAD, head) + framed(frames.SHAPE, RECORDS[case]),
        "3" * 32: framed(frames.HEAD, head) + framed(frames.RECORD, RECORDS[case]),
        "4" * 32: framed(frames.HEAD, head.replace('"first": 1', '"first": "1"')),
    }
    for writer, data in bodies.items():
        (stage.journal / writer).mkdir()
        (stage.journal / writer / "00000001.rsj").write_bytes(frames.PREAMBLE + data)
    said: list[str] = []
    with closing(Shipper(run._service, stage.journal, warn=said.append)) as shipper:
        shipper.drain_all()
        list(shipper.left())
    assert not any("an error of ours" in text for text in said), said
    assert run.get_metrics() == {"loss": 1.0}
    assert quality(run) == {}
    assert inspect(stage.history).runs == 1


YAML: dict[str, Callable[[Path], str]] = {
    "laughs": lambda _: (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 10}]\n" for n in range(1, 20))
    ),
    "an alias within itself": lambda _: "a: &a [*a]",
    "an alias within its own mapping": lambda _: "a: &a {b: *a}",
    "merged laughs": lambda _: (
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{f'*a{n - 1},' * 10}]}}\n" for n in range(1, 20))
    ),
    "deep": lambda _: "[" * 30_000,
    "deep by indentation": lambda _: "\n".join("  " * n + f"a{n}:" for n in range(200)),
    "deep by dashes": lambda _: "- " * 30_000 + "a",
    "a key twice": lambda _: "a: 1\nb: 2\na: 3\n",
    "a huge integer": lambda _: "a: " + "9" * 60_000,
    "a huge binary integer": lambda _: "a: 0b" + "1" * 60_000,
    "a huge number of minutes": lambda _: "a: 1" + ":59" * 20_000,
    "a huge fraction": lambda _: "a: 1." + "9" * 60_000,
    "an object that is made": lambda path: f"!!python/object/apply:os.mkdir ['{path}']",
    "an object that is called": lambda path: f"!!python/object/new:os.mkdir ['{path}']",
    "a module": lambda _: "!!python/module:os",
    "a name": lambda _: "!!python/name:os.system",
    "a tag of nobody": lambda _: "!mine {a: 1}",
    "no date": lambda _: "2026-99-99",
    "a list as a key": lambda _: "? [a]\n: 1",
    "two documents": lambda _: "a: 1\n---\nb: 2\n",
    "control characters": lambda _: "a: \x00",
    "too much": lambda _: "a" * (1024 * 1024 + 1),
}


@pytest.mark.parametrize("case", YAML)
def test_hostile_yaml_is_refused_and_makes_nothing(case: str, tmp_path: Path):
    began = time.process_time()
    with pytest.raises(Invalid, match="The document ") as refused:
        read_yaml(YAML[case](tmp_path / "made"), "document")
    assert time.process_time() - began < 20
    assert len(refused.value.message) < 700
    assert list(tmp_path.iterdir()) == []


def test_nothing_loads_yaml_but_safely():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "yaml":
                wrong += [f"{shown(path)}: from yaml import {name.name}" for name in node.names]
            if isinstance(node, ast.Attribute) and node.attr.lower() in UNSAFE:
                wrong.append(f"{shown(path)}: {node.attr}")
            called = isinstance(node, ast.Call) and ast.unparse(node.func) in ("yaml.load", "yaml.load_all")
            wrong += [f"{shown(path)}: yaml.load"] if called else []
    assert wrong == []


def test_json_of_others_is_read_in_one_place():
    # what else there is, we have written ourselves; but for answers of a cluster and rows of a data set,
    # which a person named
    allowed = {"store", "journal/frames.py", "model/documents.py", "cli", "launch/ray.py", "sdk/frames.py"}
    allowed |= {"service/surroundings.py", "sdk/tables.py", "sdk/transfer.py"}
    readers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree(path)):
            loads = isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.loads", "json.load")
            if loads and "json.dumps" not in ast.unparse(node):
                readers.add(path.relative_to(PACKAGE).as_posix())
    assert {
        name for name in readers if name not in allowed and name.partition("/")[0] not in allowed
    } == set()
