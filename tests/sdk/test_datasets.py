"""Data sets: recipes of files and rows, registered in versions, and linked to the runs that use them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runstone import Dataset, Datastore, Experiment, OutputFileDatasetConfig, Run, Workspace
from runstone.exceptions import UserErrorException
from runstone.sdk.data_paths import DataPath
from runstone.sdk.file_dataset import FileDataset
from runstone.sdk.tabular_dataset import TabularDataset
from runstone.sdk.workspace import Workspace as Space
from tests.s3 import S3
from tests.sdk.conftest import ROWS


@pytest.fixture
def web(project: Path, own: Datastore) -> Iterator[str]:
    """The address of a server of the files in raw/."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            return None

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=project / "raw")
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def names(dataset: TabularDataset) -> list[str]:
    return list(dataset.to_pandas_dataframe()["name"])


def test_files_are_found_by_folders_and_patterns(own: Datastore):
    wanted = {
        "raw/**": ["/a.csv", "/b.csv", "/deep/c.txt"],
        "raw": ["/a.csv", "/b.csv", "/deep/c.txt"],
        "raw/": ["/a.csv", "/b.csv", "/deep/c.txt"],
        "raw/*": ["/a.csv", "/b.csv"],
        "raw/?.csv": ["/a.csv", "/b.csv"],
        "raw/**/*.txt": ["/deep/c.txt"],
        "raw/a.csv": ["/a.csv"],
        "**/c.txt": ["/raw/deep/c.txt"],
        "": ["/raw/a.csv", "/raw/b.csv", "/raw/deep/c.txt"],
    }
    for path, found in wanted.items():
        assert Dataset.File.from_files((own, path)).to_path() == found, path
    assert Dataset.File.from_files(DataPath(own, "raw/*")).to_path() == ["/a.csv", "/b.csv"]
    assert Dataset.File.from_files(own.path("raw/*")).to_path() == ["/a.csv", "/b.csv"]
    many = Dataset.File.from_files([(own, "raw/*.csv"), (own, "raw/deep/**"), (own, "raw/a.csv")])
    assert many.to_path() == ["/a.csv", "/b.csv", "/deep/c.txt"]


def test_local_paths_are_found_from_the_current_directory(own: Datastore, project: Path):
    assert Dataset.File.from_files("raw").to_path() == ["/a.csv", "/b.csv", "/deep/c.txt"]
    assert Dataset.File.from_files(project / "raw" / "a.csv").to_path() == ["/a.csv"]
    assert Dataset.File.from_files("raw/*.csv")._data.recipe.sources[0].path == f"{project}/raw/*.csv"
    both = Dataset.File.from_files(["raw/a.csv", (own, "raw/b.csv")])
    assert both.to_path() == ["/raw/a.csv", "/workspaceblobstore/raw/b.csv"]


def test_what_is_not_there_is_told_at_once_unless_it_is_to_come(own: Datastore, web: str):
    for path in ("nope.csv", (own, "raw/*.parquet"), f"{web}/nope.csv"):
        with pytest.raises(UserErrorException, match=r"nope|parquet"):
            Dataset.Tabular.from_delimited_files(path)
        later = Dataset.Tabular.from_delimited_files(path, validate=False)
        assert isinstance(later, TabularDataset)
    for wrong in ([], None, 5, "", (own, "../x"), [own, 5]):
        with pytest.raises(UserErrorException):
            Dataset.File.from_files(wrong)
    with pytest.raises(UserErrorException, match="partition_format"):
        Dataset.File.from_files((own, "raw/**"), partition_format="{x}/")


def test_addresses_are_read(web: str, own: Datastore, tmp_path: Path):
    rows = Dataset.Tabular.from_delimited_files([f"{web}/a.csv", f"{web}/b.csv"])
    assert names(rows) == ["a1", "a2", "a3", "b1", "b2", "b3"]
    file = Dataset.File.from_files(f"{web}/deep/c.txt")
    assert [Path(path).read_text() for path in file.download(tmp_path / "out")] == ["c"]


def test_files_are_split_by_their_names(own: Datastore, project: Path):
    for number in range(100):
        (project / "raw" / f"{number}.bin").write_text(str(number))
    own.upload(project / "raw", "many", show_progress=False)
    files = Dataset.File.from_files((own, "many/*.bin"))
    first, second = files.random_split(0.5, seed=1)
    assert sorted(first.to_path() + second.to_path()) == sorted(files.to_path())
    assert 25 < len(first.to_path()) < 75
    before = first.to_path()
    own.upload_files([project / "raw" / "a.csv"], target_path="many/z.bin", show_progress=False)
    (project / "raw" / "100.bin").write_text("100")
    own.upload_files([project / "raw" / "100.bin"], target_path="many", show_progress=False)
    assert set(before) <= set(first.to_path())
    assert files.take(2).to_path() == files.to_path()[:2]
    assert files.skip(99).to_path() == files.to_path()[99:]
    assert 25 < len(files.take_sample(0.5, seed=3).to_path()) < 75


def test_a_download_has_all_files_or_changes_nothing(files: FileDataset, tmp_path: Path):
    target = tmp_path / "out"
    paths = files.download(target)
    assert paths == [f"{target}/a.csv", f"{target}/b.csv", f"{target}/deep/c.txt"]
    (target / "a.csv").unlink()
    with pytest.raises(UserErrorException, match="there already"):
        files.download(target)
    assert not (target / "a.csv").exists()
    (target / "b.csv").write_text("mine")
    files.download(target, overwrite=True)
    assert (target / "b.csv").read_text().startswith("name")
    assert Path(files.download()[0]).is_file()
    with pytest.raises(UserErrorException, match="no files"):
        files.skip(9).download(target)
    assert files.skip(9).download(target, ignore_not_found=True) == []


def test_a_mount_is_the_folder_itself_or_links_to_its_files(
    files: FileDataset, own: Datastore, tmp_path: Path
):
    with files.mount() as mounted:
        assert mounted.mount_point == str(mounted) == f"{own.location}/raw"
    with pytest.raises(UserErrorException, match="not mounted"):
        _ = mounted.mount_point
    chosen = Dataset.File.from_files((own, "raw/*.csv"))
    with chosen.mount() as mounted:
        point = Path(mounted)
        assert sorted(path.name for path in point.iterdir()) == ["a.csv", "b.csv"]
        assert (point / "a.csv").resolve() == Path(own.location, "raw", "a.csv")
    assert not point.exists()
    assert Path(own.location, "raw", "a.csv").is_file()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UserErrorException, match="no empty directory"):
        files.mount(tmp_path / "full").start()
    context = files.mount(tmp_path / "point")
    context.start()
    assert (tmp_path / "point" / "deep" / "c.txt").read_text() == "c"
    context.stop()


def test_data_in_object_storage_are_read_alike(
    workspace: Workspace, project: Path, own: Datastore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with S3.started() as server:
        monkeypatch.setenv("MY_S3_KEY", server.secret)
        store = server.registered(workspace)
        files = Dataset.File.upload_directory("raw", (store, "in"), pattern="**/*.csv", show_progress=False)
        assert files.to_path() == ["/a.csv", "/b.csv"]
        rows = Dataset.Tabular.from_delimited_files((store, "in/*.csv"))
        assert names(rows) == ["a1", "a2", "a3", "b1", "b2", "b3"]
        with files.mount() as mounted:
            assert Path(mounted, "a.csv").read_text() == ROWS.format("a")
        assert len(files.download(tmp_path / "out")) == 2
        table = rows.to_pandas_dataframe()
        kept = Dataset.Tabular.register_pandas_dataframe(
            table, (store, "tables"), "ages", show_progress=False
        )
        assert kept.to_pandas_dataframe().equals(table)


def test_a_name_is_registered_in_versions(workspace: Workspace, rows: TabularDataset, own: Datastore):
    first = rows.register(workspace, "ages", description="of people", tags={"source": "census", "n": 6})  # type: ignore[dict-item]
    assert (first.name, first.version, first.description) == ("ages", 1, "of people")
    assert first.tags == {"source": "census", "n": "6"}
    same = rows.register(workspace, "ages", description="of people", tags={"source": "census", "n": "6"})
    assert same == first
    with pytest.raises(UserErrorException, match="already a dataset registered under name 'ages'"):
        rows.take(1).register(workspace, "ages")
    second = rows.take(1).register(workspace, "ages", create_new_version=True)
    third = rows.take(1).register(workspace, "ages", create_new_version=True)
    assert [second.version, third.version] == [2, 3]
    assert len({first.id, second.id, third.id, rows.id}) == 4
    assert Dataset.get_by_name(workspace, "ages") == third
    assert names(Dataset.get_by_name(workspace, "ages", version=1)) == names(rows)
    assert names(Dataset.get_by_name(workspace, "ages", version="2")) == ["a1"]
    assert Dataset.get_by_id(workspace, first.id).version == 1
    assert Dataset.get(workspace, name="ages") == Dataset.get(workspace, id=third.id) == third
    Dataset.File.from_files((own, "raw/**")).register(workspace, "files")
    assert list(workspace.datasets) == ["ages", "files"]
    assert [type(one) for one in Dataset.list(workspace)] == [TabularDataset, FileDataset]


def test_a_name_that_is_not_there_is_told_with_those_that_are(workspace: Workspace, rows: TabularDataset):
    rows.register(workspace, "ages")
    with pytest.raises(UserErrorException, match="'ages'"):
        Dataset.get_by_name(workspace, "nope")
    with pytest.raises(UserErrorException, match="no version 2; it has: 1"):
        Dataset.get_by_name(workspace, "ages", version=2)
    with pytest.raises(UserErrorException, match="'latest'"):
        Dataset.get_by_name(workspace, "ages", version="newest")
    with pytest.raises(UserErrorException, match="no data set with the id"):
        Dataset.get_by_id(workspace, rows.id)
    with pytest.raises(UserErrorException, match="one of them"):
        Dataset.get(workspace)
    with pytest.raises(UserErrorException, match="not registered"):
        rows.unregister_all_versions()
    Dataset.get_by_name(workspace, "ages").unregister_all_versions()
    assert workspace.datasets == {}
    assert rows.register(workspace, "ages").version == 2


def test_data_of_another_workspace_are_refused(rows: TabularDataset, experiment: Experiment):
    other = Space.create("other")
    with pytest.raises(UserErrorException, match="register them there"):
        rows.register(other, "ages")
    with pytest.raises(UserErrorException, match="several workspaces"):
        Dataset.File.from_files(
            [(other.get_default_datastore(), "x"), (experiment.workspace.get_default_datastore(), "raw")]
        )
    run = Experiment(other, "elsewhere").start_logging()
    with pytest.raises(UserErrorException, match="not of the run's workspace"):
        run.input_datasets["ages"] = rows


def test_a_run_records_what_it_reads_and_makes(
    workspace: Workspace, run: Run, rows: TabularDataset, files: FileDataset
):
    assert (dict(run.input_datasets), dict(run.output_datasets)) == ({}, {})
    ages = rows.register(workspace, "ages")
    run.input_datasets["train"] = ages
    run.input_datasets["files"] = files.as_named_input("anything").as_mount()
    run.output_datasets["clean"] = files
    assert list(run.input_datasets) == ["train", "files"]
    assert run.input_datasets["train"] == ages
    assert names(Run.get(workspace, run.id).input_datasets["train"]) == names(rows)
    assert run.output_datasets["clean"].to_path() == files.to_path()
    with pytest.raises(KeyError):
        run.input_datasets["nope"]
    with pytest.raises(UserErrorException, match="made by Dataset"):
        run.input_datasets["x"] = "raw/a.csv"
    details = run.get_details()
    direct = {"type": "RunInput", "inputName": "train", "mechanism": "Direct"}
    assert details["inputDatasets"][0] == {"dataset": {"id": ages.id}, "consumptionDetails": direct}
    assert details["outputDatasets"] == [
        {
            "identifier": {"savedId": files.id},
            "outputType": "RunOutput",
            "outputDetails": {"outputName": "clean"},
            "dataset": {"id": files.id},
        }
    ]


def test_a_data_set_tells_the_runs_that_used_it(
    workspace: Workspace, experiment: Experiment, rows: TabularDataset
):
    ages = rows.register(workspace, "ages")
    newer = rows.take(1).register(workspace, "ages", create_new_version=True)
    made = []
    for dataset in (ages, newer, ages):
        run = experiment.start_logging()
        run.input_datasets["train"] = dataset
        run.output_datasets["same"] = dataset
        made.append(run)
    assert list(ages.get_runs()) == [made[2], made[0]]
    assert list(newer.get_runs()) == [made[1]]
    assert list(rows.get_runs()) == []
    assert list(Dataset.File.from_files(__file__).get_runs()) == []
    assert list(Dataset.File.from_files(__file__).get_runs(workspace)) == []


def test_runs_are_found_by_their_data(workspace: Workspace, experiment: Experiment, rows: TabularDataset):
    ages, sums = rows.register(workspace, "ages"), rows.take(1).register(workspace, "sums")
    first, second, third = (experiment.start_logging(display_name=name) for name in ("one", "two", "three"))
    first.input_datasets["train"] = ages
    second.input_datasets["train"] = sums
    second.output_datasets["made"] = ages
    third.input_datasets["test"] = rows.skip(1)
    wanted = {
        "datasets.name = 'ages'": {first, second},
        "datasets.name = 'ages' and datasets.name = 'sums'": {second},
        "datasets.name != 'ages'": {second},
        "dataset.name in ('sums', 'other')": {second},
        "datasets.name like 'a%'": {first, second},
        "datasets.name > 'b'": {second},
        "datasets.context = 'train'": {first, second},
        "datasets.context = 'test'": {third},
        "has datasets.context": {first, second, third},
        "has datasets.name": {first, second},
        "missing datasets.name": {third},
        "datasets.name is null": {third},
        "datasets.name is not null": {first, second},
        "not datasets.name = 'ages'": {third},
        "datasets.digest = 'x'": set(),
        "datasets.name = 5": set(),
    }
    for filter, found in wanted.items():
        assert set(workspace.search_runs(filter)) == found, filter
        assert workspace.count_runs(filter) == len(found), filter
    assert len(workspace.search_runs("", order_by="datasets.name")) == 3
    first.output_datasets["the same"] = ages
    assert set(workspace.search_runs("datasets.name = 'ages'")) == {first, second}
    assert workspace.count_runs("datasets.name = 'ages'") == 2
    assert len(workspace.search_runs("datasets.name = 'ages'", limit=10)) == 2


def test_inputs_and_outputs_that_cannot_be_are_refused(
    files: FileDataset, rows: TabularDataset, own: Datastore
):
    bad: list[Callable[[], object]] = [
        lambda: files.as_named_input("1st"),
        lambda: files.as_named_input("a-b"),
        lambda: files.as_named_input(""),
        lambda: files.as_named_input("x").as_mount("/data"),
        lambda: files.as_named_input("x").as_download("../x"),
        lambda: files.as_named_input("x").as_hdfs(),
        lambda: files.as_hdfs(),
        lambda: rows.as_named_input("x").as_mount(),
        lambda: rows.as_named_input("x").as_download(),
        lambda: OutputFileDatasetConfig("a b"),
        lambda: OutputFileDatasetConfig("a", destination="raw"),
        lambda: OutputFileDatasetConfig("a", destination=(own, "../raw")),
        lambda: OutputFileDatasetConfig("a", source="/tmp/x"),
        lambda: OutputFileDatasetConfig("a", partition_format="{x}"),
        lambda: own.path("x", data_reference_name="a-b"),
    ]
    for call in bad:
        with pytest.raises(UserErrorException):
            call()
