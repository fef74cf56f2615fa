"""Images and chart documents that are logged: kept as files, told as metrics (4.3)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from runstone import Run
from runstone.exceptions import AzureMLException, UserErrorException

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
JPEG = b"\xff\xd8\xff\xe0" + bytes(32)


@pytest.mark.parametrize(("content", "name"), [(PNG, "x.png"), (JPEG, "x.jpg"), (PNG, "no-extension")])
def test_an_image_is_kept_under_the_path_that_was_given(
    run: Run, project: Path, content: bytes, name: str
) -> None:
    (project / "figures").mkdir()
    (project / "figures" / name).write_bytes(content)
    run.log_image("picture", f"figures/{name}")
    assert run.get_file_names() == [f"figures/{name}"]
    uri = f"aml://artifactId/ExperimentRun/dcid.{run.id}/figures/{name}"
    assert run.get_metrics() == {"picture": uri}
    assert run.get_metrics(populate=True) == {"picture": content}


def test_an_image_from_elsewhere_is_kept_under_its_own_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "far.png").write_bytes(PNG)
    run.log_image("picture", tmp_path / "far.png")
    assert run.get_file_names() == ["far.png"]


@pytest.mark.parametrize("kind", ["pyplot", "figure"])
def test_a_plot_becomes_an_image(run: Run, kind: str) -> None:
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    run.log_image("plot", plot=plt if kind == "pyplot" else figure)
    plt.close(figure)
    (name,) = run.get_file_names()
    assert name.startswith("plot_")
    assert name.endswith(".png")
    run.download_file(name, "plot.png")
    assert Path("plot.png").read_bytes().startswith(b"\x89PNG")


def test_images_of_one_second_are_all_kept(run: Run) -> None:
    for _ in range(3):
        run.log_image("plot", plot=Figure(figsize=(1, 1)))
    run.log_image("stream", io.BytesIO(PNG))
    run.log_image("stream", io.BytesIO(JPEG))
    assert len(run.get_file_names()) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Invalid parameters, one of path and plot is required as input"),
        ({"path": "a.png", "plot": plt}, "path and plot were both provided, only one at a time is supported"),
        ({"path": "i.svg"}, r"Argument \[i.svg\] is malformed."),
        ({"path": "i.txt"}, r"Argument \[i.txt\] is malformed."),
        ({"plot": "figure"}, "savefig"),
    ],
)
def test_what_is_no_image_is_refused(run: Run, project: Path, arguments: Any, message: str) -> None:
    (project / "i.svg").write_text("<svg></svg>")
    (project / "i.txt").write_text("")
    with pytest.raises(AzureMLException, match=message):
        run.log_image("picture", **arguments)
    assert run.get_metrics() == {}
    assert run.get_file_names() == []


def test_an_image_that_is_not_there_is_told_so(run: Run) -> None:
    with pytest.raises(FileNotFoundError):
        run.log_image("picture", "nothing.png")


@pytest.mark.parametrize(
    "call", ["log_confusion_matrix", "log_accuracy_table", "log_predictions", "log_residuals"]
)
def test_a_document_is_kept_whatever_is_in_it(run: Run, call: str) -> None:
    value = {"schema_type": "any", "schema_version": "v1", "data": {"matrix": np.array([[1, 2], [3, 4]])}}
    getattr(run, call)("chart", value)
    getattr(run, call)("text", '{"a": 1}')
    uri = f"aml://artifactId/ExperimentRun/dcid.{run.id}"
    assert run.get_metrics() == {"chart": f"{uri}/chart", "text": f"{uri}/text"}
    populated = run.get_metrics(populate=True)
    assert populated["chart"]["data"] == {"matrix": [[1, 2], [3, 4]]}
    assert populated["text"] == {"a": 1}
    assert run.get_file_names() == ["chart", "text"]


@pytest.mark.parametrize("value", ["not json", "[1]", 5, {"a": object()}])
def test_what_is_no_document_is_refused(run: Run, value: Any) -> None:
    with pytest.raises(UserErrorException):
        run.log_confusion_matrix("chart", value)
    assert run.get_metrics() == {}
