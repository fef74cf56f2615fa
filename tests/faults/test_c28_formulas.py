"""c28: a text that a spreadsheet would compute is exported as a text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstone import Experiment, Workspace
from runstone.sdk.tables import guarded
from runstone.service.connect import disconnect

FORMULA = '=HYPERLINK("http://evil","click")'
TEXTS = [FORMULA, "+1+1", "-2+3", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"]


@pytest.fixture
def workspace(history: Path) -> Iterator[Workspace]:
    """A workspace with a run whose every text begins like a formula."""
    found = Workspace.from_config()
    run = Experiment(found, "e").start_logging(run_id="=1+1", capture="none", display_name="@name")
    run.tag(FORMULA, FORMULA)
    run.set_tags({f"t{number}": text for number, text in enumerate(TEXTS)})
    run.log_params({"lr": -0.01, "fine": "a=1", "quote": "'=1"})
    run.add_properties({"p": "\t=1"})
    run.description = "+cmd"
    run.log("loss", -0.5)
    run.fail("=error")
    yield found
    disconnect(history)


def read(path: Path) -> tuple[list[str], dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        header, row = csv.reader(file)
    return header, dict(zip(header, row, strict=True))


def test_no_cell_of_text_begins_like_a_formula(workspace: Workspace, tmp_path: Path) -> None:
    workspace.export_runs(tmp_path / "runs.csv")
    header, row = read(tmp_path / "runs.csv")
    numbers = {"metrics.loss"}
    cells = [*header, *(value for name, value in row.items() if name not in numbers)]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert [row[f"tags.t{number}"] for number in range(len(TEXTS))] == [f"'{text}" for text in TEXTS]
    assert (row["run_id"], row["display_name"], row["description"]) == ("'=1+1", "'@name", "'+cmd")
    assert (row["params.lr"], row["params.fine"], row["params.quote"]) == ("'-0.01", "a=1", "'=1")
    assert row["error"] == "'=error"


def test_a_number_stays_a_number(workspace: Workspace, tmp_path: Path) -> None:
    workspace.export_runs(tmp_path / "runs.csv")
    assert read(tmp_path / "runs.csv")[1]["metrics.loss"] == "-0.5"


def test_programs_get_the_texts_as_they_are(workspace: Workspace, tmp_path: Path) -> None:
    workspace.export_runs(tmp_path / "runs.csv", machine=True)
    row = read(tmp_path / "runs.csv")[1]
    assert [row[f"tags.t{number}"] for number in range(len(TEXTS))] == TEXTS
    assert (row["run_id"], row["params.lr"]) == ("=1+1", "-0.01")
    assert row[f"tags.{FORMULA}"] == FORMULA


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_each_beginning_is_guarded(first: str) -> None:
    assert guarded(f"{first}1") == f"'{first}1"
    assert guarded(f"a{first}") == f"a{first}"
    assert guarded(-1.0) == -1.0
    assert guarded("") == ""
