"""Data of submitted scripts: inputs become local paths or data sets, outputs arrive at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runstone import Dataset, Datastore, OutputFileDatasetConfig, ScriptRunConfig, SweepConfig
from runstone.exceptions import UserErrorException
from runstone.sdk.file_dataset import FileDataset
from runstone.sdk.run_configuration import RunConfiguration
from runstone.sdk.sweeps import GridParameterSampling, PrimaryMetricGoal, choice
from tests.launch.conftest import LOG, Bench
from tests.s3 import S3

LOOK = """
import json, os, sys
from pathlib import Path
from azureml.core import Dataset, Run
run = Run.get_context()
mounted, copied, id, made = sys.argv[2], sys.argv[4], sys.argv[6], sys.argv[8]
rows = run.input_datasets["rows"]
same = Dataset.get_by_id(run.experiment.workspace, id=id)
Path(made, "deep").mkdir()
Path(made, "deep", "sum.txt").write_text(str(rows.to_pandas_dataframe()["n"].sum()))
print(json.dumps({
    "mounted": sorted(os.listdir(mounted)),
    "copied": sorted(os.listdir(copied)),
    "paths": [run.input_datasets["mounted"] == mounted, run.input_datasets["copied"] == copied],
    "variables": [os.environ["mounted"] == mounted, os.environ["AZUREML_DATAREFERENCE_made"] == made],
    "name": [rows.name, same.name, same.version],
    "same": Path(copied, "a.csv").samefile(Path(mounted, "a.csv")),
}))
"""


@pytest.fixture
def own(bench: Bench, tmp_path: Path) -> Datastore:
    """The workspace's datastore with raw/a.csv and raw/b.csv."""
    (tmp_path / "raw").mkdir()
    for letter, rows in (("a", "1\n2\n"), ("b", "3\n")):
        (tmp_path / "raw" / f"{letter}.csv").write_text(f"n\n{rows}")
    store = bench.workspace.get_default_datastore()
    store.upload(tmp_path / "raw", "raw", show_progress=False)
    return store


@pytest.fixture
def files(own: Datastore) -> FileDataset:
    return Dataset.File.from_files((own, "raw/**"))


def printed(bench: Bench, run: object) -> object:
    return json.loads(bench.printed(run).strip().splitlines()[-1])  # type: ignore[arg-type]


def told(inputs: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """The mechanism and the id of each input."""
    asked = [(one["consumptionDetails"], one["dataset"]["id"]) for one in inputs]
    return {how["inputName"]: (how["mechanism"], id) for how, id in asked}


def test_a_script_finds_its_inputs_and_leaves_its_output(bench: Bench, own: Datastore, files: FileDataset):
    rows = Dataset.Tabular.from_delimited_files((own, "raw/*.csv")).register(bench.workspace, "numbers")
    made = OutputFileDatasetConfig("made", destination=(own, "sums/{run-id}"))
    run = bench.submit(
        LOOK,
        "--mounted",
        files.as_named_input("mounted").as_mount(),
        "--copied",
        files.as_named_input("copied").as_download(),
        "--rows",
        rows.as_named_input("rows"),
        "--made",
        made.register_on_complete("sums", description="of numbers", tags={"kind": "sum"}),
    )
    details = run.wait_for_completion()
    assert printed(bench, run) == {
        "mounted": ["a.csv", "b.csv"],
        "copied": ["a.csv", "b.csv"],
        "paths": [True, True],
        "variables": [True, True],
        "name": ["numbers", "numbers", 1],
        "same": False,
    }
    sums = bench.workspace.datasets["sums"]
    assert (sums.version, sums.description, sums.tags) == (1, "of numbers", {"kind": "sum"})
    assert sums.to_path() == ["/deep/sum.txt"]
    assert Path(own.location, "sums", run.id, "deep", "sum.txt").read_text() == "6"
    mechanisms = told(details["inputDatasets"])
    assert mechanisms == {
        "mounted": ("Mount", files.id),
        "copied": ("Download", files.id),
        "rows": ("Direct", rows.id),
    }
    assert [one["identifier"]["savedId"] for one in details["outputDatasets"]] == [sums.id]
    assert list(rows.get_runs()) == list(sums.get_runs()) == list(files.get_runs()) == [run]
    assert run.input_datasets["mounted"] == files
    assert run.output_datasets["made"] == sums
    assert details["runDefinition"]["arguments"][1] == "DatasetConsumptionConfig:mounted"
    assert run.get_params()["rows"] == rows.id


def test_a_folder_is_mounted_where_it_is_and_a_choice_by_links(
    bench: Bench, own: Datastore, files: FileDataset
):
    chosen = Dataset.File.from_files((own, "raw/a.csv"))
    text = "import os, sys; print([os.path.realpath(p) for p in sys.argv[1:]], os.listdir(sys.argv[2]))"
    run = bench.submit(text, files.as_mount(), chosen.as_named_input("one").as_mount("data/one"))
    run.wait_for_completion()
    said = bench.printed(run)
    assert f"['{own.location}/raw', '" in said
    assert "/code/data/one'] ['a.csv']" in said
    assert Path(own.location, "raw", "a.csv").is_file()


def test_an_output_is_kept_though_the_script_failed_and_is_not_registered(bench: Bench, own: Datastore):
    made = OutputFileDatasetConfig("made").register_on_complete("sums")
    text = "import sys; open(sys.argv[1] + '/x.txt', 'w').write('x'); sys.exit(3)"
    run = bench.submit(text, made)
    assert run.wait_for_completion(raise_on_error=False)["error"]["error"]["exit_code"] == 3
    assert "sums" not in bench.workspace.datasets
    assert run.output_datasets["made"].to_path() == ["/x.txt"]
    assert Path(own.location, "dataset", run.id, "made", "x.txt").read_text() == "x"


def test_an_output_that_is_there_already_fails_the_run_unless_it_is_to_be_replaced(
    bench: Bench, own: Datastore
):
    text = "import sys; open(sys.argv[1] + '/a.csv', 'w').write('new')"
    run = bench.submit(text, OutputFileDatasetConfig("made", destination=(own, "raw")))
    error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert (error["code"], error["reason"]) == ("OutputFailed", "code")
    assert "raw/a.csv" in error["message"]
    assert Path(own.location, "raw", "a.csv").read_text() == "n\n1\n2\n"
    again = OutputFileDatasetConfig("made", destination=(own, "raw")).as_upload(overwrite=True)
    assert bench.submit(text, again).wait_for_completion()["status"] == "Completed"
    assert Path(own.location, "raw", "a.csv").read_text() == "new"


def test_a_directory_of_the_script_is_an_output(bench: Bench, own: Datastore):
    text = "import os; print(os.listdir('.')); open('results/x.txt', 'w').write('x')"
    config = bench.config(text)
    config.run_config = RunConfiguration()
    config.run_config.data = {"made": OutputFileDatasetConfig("made", (own, "r"), source="results")}
    bench.experiment.submit(config).wait_for_completion()
    assert Path(own.location, "r", "x.txt").read_text() == "x"


def test_references_to_a_datastore_become_paths(bench: Bench, own: Datastore):
    text = "import os, sys; open(sys.argv[2] + '/x', 'w').write(os.environ['raw'] + sys.argv[1])"
    reading = own.path("raw", data_reference_name="raw").as_mount()
    writing = own.path("written", data_reference_name="written").as_upload()
    run = bench.submit(text, reading, writing)
    run.wait_for_completion()
    assert Path(own.location, "written", "x").read_text() == f"{own.location}/raw" * 2
    assert list(run.input_datasets) == ["raw"]


def test_a_reference_to_a_folder_that_is_not_there_makes_it(bench: Bench, own: Datastore, tmp_path: Path):
    text = "import sys; open(sys.argv[1] + '/model.txt', 'w').write('made')"
    bench.submit(text, own.path("models/new").as_mount()).wait_for_completion()
    assert Path(own.location, "models", "new", "model.txt").read_text() == "made"
    Path(own.location, "away").symlink_to(tmp_path)
    run = bench.submit(text, own.path("away/new").as_mount())
    assert "link" in run.wait_for_completion(raise_on_error=False)["error"]["error"]["message"]
    assert not (tmp_path / "new").exists()


def test_data_in_object_storage_come_and_go(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with S3.started() as server:
        monkeypatch.setenv("MY_S3_KEY", server.secret)
        store = server.registered(bench.workspace)
        (tmp_path / "in.txt").write_text("from afar")
        store.upload_files([tmp_path / "in.txt"], target_path="in", show_progress=False)
        files = Dataset.File.from_files((store, "in"))
        text = "import sys; open(sys.argv[2] + '/o', 'w').write(open(sys.argv[1] + '/in.txt').read().upper())"
        made = OutputFileDatasetConfig("made", destination=(store, "out"))
        run = bench.submit(text, files.as_named_input("afar").as_mount(), made)
        run.wait_for_completion()
        assert store.download(tmp_path / "back", prefix="out", show_progress=False) == 1
        assert (tmp_path / "back" / "out" / "o").read_text() == "FROM AFAR"
        history = [path for path in bench.history.rglob("*") if path.is_file()]
        assert [path for path in history if server.secret.encode() in path.read_bytes()] == []


def test_each_run_of_a_sweep_has_its_data(bench: Bench, own: Datastore, files: FileDataset):
    text = "import os, sys; from azureml.core import Run; Run.get_context().log('n', float(sys.argv[4]))\n"
    text += "open(sys.argv[2] + '/x', 'w').write(' '.join([*os.listdir(sys.argv[1]), sys.argv[4]]))"
    made = OutputFileDatasetConfig("made", destination=(own, "sweep/{run-id}")).register_on_complete("swept")
    given = bench.config(text, files.as_named_input("train").as_mount(), made)
    sampling = GridParameterSampling({"n": choice(1, 2)})
    config = SweepConfig(sampling, "n", PrimaryMetricGoal.MAXIMIZE, max_total_runs=2, run_config=given)
    sweep = bench.experiment.submit(config)
    sweep.wait_for_completion()
    runs = list(sweep.get_children())
    assert {run.id for run in files.get_runs()} == {run.id for run in runs}
    said = [Path(run.output_datasets["made"].download()[0]).read_text().split() for run in runs]
    assert sorted(words[-1] for words in said) == ["1", "2"]
    assert [sorted(words[:-1]) for words in said] == [["a.csv", "b.csv"]] * 2
    assert {path.name for path in Path(own.location, "sweep").iterdir()} == {run.id for run in runs}
    assert bench.workspace.datasets["swept"].version == 2


def test_an_output_becomes_a_table(bench: Bench, own: Datastore):
    text = (
        "import sys; open(sys.argv[1] + '/x.csv', 'w').write('n;m\\n1;2\\n'); open(sys.argv[1] + '/y', 'w')"
    )
    made = OutputFileDatasetConfig("made").read_delimited_files(separator=";", path_glob="*.csv")
    run = bench.submit(text, made.register_on_complete("table"))
    run.wait_for_completion()
    table = bench.workspace.datasets["table"]
    assert table == run.output_datasets["made"]
    assert table.to_pandas_dataframe().to_dict("list") == {"n": [1], "m": [2]}


def test_a_child_has_the_data_of_its_own(bench: Bench, own: Datastore, files: FileDataset):
    bench.script(
        "import os; print(os.environ['train'], os.environ['AZUREML_DATAREFERENCE_train'])", "child.py"
    )
    text = (
        "import sys\n"
        "from azureml.core import Dataset, Run, ScriptRunConfig\n"
        "run = Run.get_context()\n"
        "store = run.experiment.workspace.get_default_datastore()\n"
        "other = Dataset.File.from_files((store, 'raw/a.csv'))\n"
        "data = [other.as_named_input('train').as_mount()]\n"
        "child = run.submit_child(ScriptRunConfig('.', 'child.py', data))\n"
        "child.wait_for_completion()\n"
        "print(child.get_details_with_logs()['logFiles']['user_logs/std_log.txt'].split(), sys.argv[1])"
    )
    run = bench.submit(text, files.as_named_input("train").as_mount())
    run.wait_for_completion()
    first, second, mine = bench.printed(run).replace("[", "").replace("]", "").replace("'", "").split()
    assert first.rstrip(",") == second
    assert first.rstrip(",").endswith("/inputs/train")
    assert mine == f"{own.location}/raw"


def test_an_input_that_is_gone_fails_the_run_before_its_script_begins(bench: Bench, own: Datastore):
    files = Dataset.File.from_files((own, "raw/*.csv"))
    for path in Path(own.location, "raw").iterdir():
        path.unlink()
    run = bench.submit("print('begun')", files.as_download())
    error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert (error["code"], error["reason"]) == ("PreparationFailed", "code")
    assert "has no files" in error["message"]
    assert "begun" not in bench.printed(run)


def test_a_cancel_ends_a_download(bench: Bench, tmp_path: Path):
    big = tmp_path / "big"
    big.mkdir()
    for number in range(40):
        with open(big / f"{number}.bin", "wb") as file:
            file.truncate(64 << 20)
    files = Dataset.File.from_files(str(big))
    run = bench.submit("print('begun')", files.as_named_input("big").as_download())
    bench.until(lambda: list(bench.history.glob("work/*/1/inputs/big/*.bin")))
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"
    assert "begun" not in bench.printed(run)
    bench.until(lambda: not list(bench.history.glob("work/*/1/inputs/big/*.bin")))


def test_names_stand_for_their_own_alone(bench: Bench, files: FileDataset, monkeypatch: pytest.MonkeyPatch):
    text = "import os, sys; print(sys.argv[1:], os.environ['HOME'], os.environ['AZUREML_DATAREFERENCE_HOME'])"
    monkeypatch.setenv("HOME", "/nowhere")
    one, two = files.as_named_input("HOME").as_mount(), files.as_named_input("HOME2").as_mount()
    run = bench.submit(text, one, two, "DatasetConsumptionConfig:other", f"--data={two}")
    run.wait_for_completion()
    path = f"{bench.workspace.get_default_datastore().location}/raw"
    words = [path, path, "DatasetConsumptionConfig:other", f"--data={path}"]
    assert bench.printed(run).strip() == f"{words} /nowhere {path}"
    with pytest.raises(UserErrorException, match=r"\['HOME'\] are given twice"):
        bench.submit(text, one, files.as_named_input("HOME").as_download())


def test_the_data_of_a_submitted_run_are_known_at_once(bench: Bench, files: FileDataset):
    for _ in range(2):
        bench.submit("import time; time.sleep(60)")
    run = bench.submit("pass", files.as_named_input("train").as_mount())
    assert list(run.input_datasets) == ["train"]
    assert list(files.get_runs()) == [run]
    run.cancel()


def test_an_argument_that_is_secret_leaves_the_data_as_they_are(bench: Bench, files: FileDataset):
    text = "import os, sys; print(sys.argv[2], sorted(os.listdir(sys.argv[3])))"
    run = bench.submit(text, "--password", "hunter2-canary", files.as_named_input("train").as_mount())
    run.wait_for_completion()
    assert bench.printed(run) == "hunter2-canary ['a.csv', 'b.csv']\n"
    assert list(run.input_datasets) == ["train"]


def test_a_command_is_given_its_data_too(bench: Bench, files: FileDataset):
    command = ["ls", files.as_named_input("train").as_mount()]
    run = bench.experiment.submit(ScriptRunConfig(str(bench.source), command=command))
    run.wait_for_completion()
    assert run.get_details_with_logs()["logFiles"][LOG] == "a.csv\nb.csv\n"
