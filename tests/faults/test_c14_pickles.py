"""c14: a pickle is bytes to us: kept, listed, shown and given back, and never opened."""

from __future__ import annotations

import ast
import io
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from runstone import Experiment
from runstone.exceptions import UserErrorException
from runstone.service.inspection import inspect
from tests.scripts import Stage
from tests.sources import PACKAGE, shown, tree

# What can run code by reading a file.
OPENERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "torch"}
CALLS = {"read_pickle", "allow_pickle", "unpickle", "Unpickler"}

SCRIPT = """
import sys
run = begin()
run.upload_file("outputs/model.pkl", "model.pkl")
run.upload_folder("outputs/folder", "folder")
run.get_file_names()
run.download_file("outputs/model.pkl", "back.pkl")
run.download_files(prefix="outputs", output_directory="back")
run.log_confusion_matrix("chart", {"schema_type": "confusion_matrix"})
run._service.artifacts.upload(run._ref, "chart", content=open("model.pkl", "rb"))
assert run.get_metrics(populate=True)["chart"] == open("model.pkl", "rb").read()
run.complete()
say(" ".join(sorted({"pickle", "joblib", "dill", "cloudpickle"} & sys.modules.keys())))
"""


class Canary:
    """An object whose pickle makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


@pytest.fixture
def canary(stage: Stage) -> Path:
    path = stage.folder / "canary"
    poison = pickle.dumps(Canary(path))
    pickle.loads(poison).close()
    path.unlink()
    (stage.folder / "folder").mkdir()
    for name in ("model.pkl", "folder/model.joblib", "folder/model.npy", "folder/model.pt"):
        (stage.folder / name).write_bytes(poison)
    return path


def test_a_pickle_is_kept_populated_and_given_back_without_being_opened(stage: Stage, canary: Path):
    done = stage.run(SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")
    poison = (stage.folder / "model.pkl").read_bytes()
    for name in ("back.pkl", "back/outputs/folder/model.npy"):
        assert (stage.folder / name).read_bytes() == poison
    assert "joblib" not in done.stdout
    report = inspect(stage.history, thorough=True)
    assert report.whole
    assert not canary.exists()


def test_a_pickle_in_the_place_of_an_image_or_a_document_is_refused_unopened(stage: Stage, canary: Path):
    run = Experiment(stage.workspace(), "faults").start_logging(outputs=False)
    poison = (stage.folder / "model.pkl").read_bytes()
    for path in (str(stage.folder / "model.pkl"), io.BytesIO(poison)):
        with pytest.raises(UserErrorException, match="neither a PNG nor a JPEG"):
            run.log_image("image", path)
    with pytest.raises(UserErrorException):
        run.log_predictions("document", poison.decode("latin-1"))
    for value in (poison, Canary(canary)):
        with pytest.raises(UserErrorException):
            run.log("value", value)  # type: ignore[arg-type]
    run.complete()
    assert not canary.exists()


def test_no_module_of_ours_can_open_a_pickle():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(tree(path)):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{shown(path)}: {name}" for name in names if name.split(".")[0] in OPENERS]
            if isinstance(node, ast.Attribute) and node.attr in CALLS:
                wrong.append(f"{shown(path)}: {node.attr}")
            if isinstance(node, ast.keyword) and node.arg in CALLS:
                wrong.append(f"{shown(path)}: {node.arg}=")
    assert wrong == []
    assert "pickle" in sys.stdlib_module_names
