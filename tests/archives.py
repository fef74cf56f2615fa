"""Archives for tests: a good one, taken apart and put together otherwise, its checksums made right again."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import call

MAKE = """
import io
from pathlib import Path

from runstone import Experiment, Workspace

ws = Workspace.from_config()
Path("source").mkdir()
Path("source/train.py").write_text("print(1)\\n")
with Experiment(ws, "e").start_logging(run_id="good", capture="none", tags={"k": "v"}) as run:
    run.take_snapshot("source")
    run.upload_file("outputs/a.txt", io.BytesIO(b"content"))
    for step in range(5_000):
        run.log("loss", step / 7, step=step)
    run.log("text", "words")
with Experiment(ws, "e").start_logging(run_id="second", capture="none") as run:
    run.log("loss", 1.0)
ws.count_runs("metrics.loss > 0")
ws.export_runs("good.runstone")
"""
Entries = dict[str, bytes]


def good_archive(root: Path) -> Path:
    """An archive of two runs, the first with a snapshot, a file and two series."""
    (root / ".runstone" / "history").mkdir(parents=True)
    (root / "make.py").write_text(MAKE, encoding="utf-8")
    done = call(sys.executable, "make.py", cwd=root)
    assert done.code == 0, done.err
    return root / "good.runstone"


def entries(path: Path) -> Entries:
    """What is in an archive, in its order."""
    with zipfile.ZipFile(path) as found:
        return {entry.filename: found.read(entry) for entry in found.infolist()}


def write(path: Path, content: Entries, *, packed: int = zipfile.ZIP_STORED) -> Path:
    """An archive of these entries."""
    with zipfile.ZipFile(path, "w", packed) as made:
        for name, data in content.items():
            made.writestr(zipfile.ZipInfo(name), data, compress_type=packed)
    return path


def signed(content: Entries) -> Entries:
    """The same with checksums that are right: what somebody makes who means ill."""
    found = dict(content)
    lines = []
    for number, line in enumerate(found["index.ndjson"].splitlines(), 1):
        known = json.loads(line)
        for key, ending in (("document", "json"), ("records", "records")):
            known[key] = digest(found.get(f"runs/{number:08}.{ending}", b""))
        lines.append(json.dumps(known).encode() + b"\n")
    found["index.ndjson"] = b"".join(lines)
    manifest = json.loads(found["manifest.json"])
    manifest |= {"index": digest(found["index.ndjson"]), "experiments": digest(found["experiments.json"])}
    return found | {"manifest.json": json.dumps(manifest).encode()}


def changed(content: Entries, name: str, change: Callable[[Any], Any]) -> Entries:
    """With one of its JSON entries changed."""
    return content | {name: json.dumps(change(json.loads(content[name]))).encode()}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
