"""Models: registered from a run or from this machine, found, changed, downloaded."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runstone import Experiment, Model, Run, Workspace
from runstone.exceptions import (
    ModelNotFoundException,
    ModelPathNotFoundException,
    ServiceException,
    UserErrorException,
    WebserviceException,
)


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Run:
    """A run with one file, and a folder of two."""
    (tmp_path / "weights" / "part").mkdir(parents=True)
    (tmp_path / "weights" / "a.bin").write_bytes(b"aaa")
    (tmp_path / "weights" / "part" / "b.bin").write_bytes(b"bbbb")
    (tmp_path / "model.pkl").write_bytes(b"pickled")
    run.upload_file("outputs/model.pkl", tmp_path / "model.pkl")
    run.upload_folder("outputs/weights", tmp_path / "weights")
    return run


def files(folder: Path) -> dict[str, bytes]:
    """What is in a directory."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(found)}


def test_a_file_of_a_run_is_registered_and_downloaded_by_its_last_part(
    trained: Run, workspace: Workspace, tmp_path: Path
) -> None:
    model = trained.register_model("digits", "outputs/model.pkl", tags={"area": "kr"}, description="Ten.")
    assert (model.name, model.version, model.id) == ("digits", 1, "digits:1")
    assert (model.run_id, model.experiment_name) == (trained.id, "explore-runs")
    assert (model.tags, model.properties, model.description) == ({"area": "kr"}, {}, "Ten.")
    assert model.run == trained
    path = model.download(str(tmp_path / "back"))
    assert path == str(tmp_path / "back" / "model.pkl")
    assert files(tmp_path / "back") == {"model.pkl": b"pickled"}


@pytest.mark.parametrize("given", ["outputs/weights", "outputs/weights/", "./outputs/weights"])
def test_a_folder_of_a_run_is_registered_with_all_that_is_in_it(
    trained: Run, tmp_path: Path, given: str
) -> None:
    model = trained.register_model("net", given)
    assert model.download(tmp_path / "back") == str(tmp_path / "back" / "weights")
    assert files(tmp_path / "back") == {"weights/a.bin": b"aaa", "weights/part/b.bin": b"bbbb"}


def test_the_path_is_the_name_by_default(trained: Run, tmp_path: Path) -> None:
    trained.upload_file("digits", tmp_path / "model.pkl")
    assert trained.register_model("digits").download(tmp_path / "back") == str(tmp_path / "back" / "digits")


def test_each_registration_is_a_version_of_its_name(trained: Run, workspace: Workspace) -> None:
    made = [trained.register_model("digits", "outputs/model.pkl") for _ in range(3)]
    assert [model.version for model in made] == [1, 2, 3]
    assert trained.register_model("other", "outputs/model.pkl").version == 1
    assert Model(workspace, "digits").version == 3
    assert Model(workspace, "digits", version=2).id == "digits:2"
    assert Model(workspace, id="digits:1") == made[0]
    assert Model(workspace, name="digits:1") == made[0]
    assert {name: model.version for name, model in workspace.models.items()} == {"digits": 3, "other": 1}


def test_what_the_run_does_not_have_is_named(trained: Run, workspace: Workspace) -> None:
    with pytest.raises(ModelPathNotFoundException) as error:
        trained.register_model("digits", "outputs/none.pkl")
    assert error.value.message.startswith(
        "Could not locate the provided model_path outputs/none.pkl in the set of files uploaded to the run: ["
    )
    assert "'outputs/model.pkl'" in error.value.message
    assert workspace.models == {}
    with pytest.raises(ModelPathNotFoundException):
        # a beginning of a name is no folder
        trained.register_model("digits", "outputs/wei")
    with pytest.raises(UserErrorException, match="a file or a folder of the run"):
        trained.register_model("digits", ".")


@pytest.mark.parametrize("name", ["", "a/b", "..", "a:1", "x" * 251, "nul\0", "CON"])
def test_a_name_that_cannot_be_one_part_of_a_path_is_refused(
    trained: Run, workspace: Workspace, name: str
) -> None:
    with pytest.raises(UserErrorException):
        trained.register_model(name, "outputs/model.pkl")
    assert workspace.models == {}


def test_what_register_model_does_not_know_is_said(trained: Run) -> None:
    with pytest.warns(RuntimeWarning, match="register_model does not know colour"):
        trained.register_model("digits", "outputs/model.pkl", colour="red")


def test_a_file_of_this_machine_is_registered(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"graph")
    model = Model.register(
        workspace,
        str(tmp_path / "m.onnx"),
        "graph",
        tags={"n": 1},
        properties={"source": "mine"},
        model_framework=Model.Framework.ONNX,
        model_framework_version="1.16",
        resource_configuration={"cpu": 2},
    )
    assert (model.model_framework, model.model_framework_version) == ("Onnx", "1.16")
    assert (model.tags, model.properties) == ({"n": "1"}, {"source": "mine"})
    assert (model.run_id, model.run, model.experiment_name) == (None, None, None)
    assert model.resource_configuration == {"cpu": 2}
    assert files(Path(model.download(tmp_path / "back")).parent) == {"m.onnx": b"graph"}


def test_a_folder_of_this_machine_is_registered_all_of_it_or_what_is_named(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    (folder / "part").mkdir(parents=True)
    for name in ("a.bin", "part/b.bin", "part/c.bin"):
        (folder / name).write_bytes(name.encode())
    monkeypatch.chdir(folder)
    Model.register(workspace, ".", "all").download(tmp_path / "one")
    assert list(files(tmp_path / "one")) == ["weights/a.bin", "weights/part/b.bin", "weights/part/c.bin"]
    Model.register(workspace, folder, "some", child_paths=["part/b.bin"]).download(tmp_path / "two")
    assert list(files(tmp_path / "two")) == ["weights/part/b.bin"]
    with pytest.raises(ModelPathNotFoundException, match="nothing of"):
        Model.register(workspace, folder, "none", child_paths=["z"])


def test_a_path_that_is_not_there_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(WebserviceException, match="cannot be found"):
        Model.register(workspace, str(tmp_path / "nowhere"), "digits")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelPathNotFoundException, match="no files"):
        Model.register(workspace, tmp_path / "empty", "digits")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserErrorException, match="FIFO"):
        Model.register(workspace, tmp_path / "pipe", "digits")
    assert workspace.models == {}


def test_a_download_does_not_overwrite_unasked(trained: Run, tmp_path: Path) -> None:
    model = trained.register_model("digits", "outputs/model.pkl")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "model.pkl").write_bytes(b"mine")
    with pytest.raises(WebserviceException, match=r"already exists\. To overwrite, set exist_ok to True"):
        model.download(tmp_path / "back")
    assert files(tmp_path / "back") == {"model.pkl": b"mine"}
    model.download(tmp_path / "back", exist_ok=True)
    assert files(tmp_path / "back") == {"model.pkl": b"pickled"}
    model.download(tmp_path / "back", exists_ok=True)


def test_a_download_writes_through_no_link(trained: Run, tmp_path: Path) -> None:
    file, net = (
        trained.register_model("m", "outputs/model.pkl"),
        trained.register_model("n", "outputs/weights"),
    )
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "model.pkl").write_bytes(b"mine")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "model.pkl").symlink_to(tmp_path / "outside" / "model.pkl")
    (tmp_path / "back" / "weights").symlink_to(tmp_path / "outside")
    for model in (file, net):
        with pytest.raises(UserErrorException, match="symbolic link"):
            model.download(tmp_path / "back", exist_ok=True)
    assert files(tmp_path / "outside") == {"model.pkl": b"mine"}


def test_damaged_content_is_not_written(trained: Run, workspace: Workspace, tmp_path: Path) -> None:
    model = trained.register_model("digits", "outputs/model.pkl")
    (file,) = workspace._service.models.files(workspace.name, "digits", version=1)
    blob = Path(workspace.location, "blobs", file.sha256[:2], file.sha256)
    blob.write_bytes(b"pickle!")
    with pytest.raises(ServiceException, match="does not match its checksum"):
        model.download(tmp_path / "back")
    assert files(tmp_path / "back") == {}


def test_models_are_listed_by_what_they_have(trained: Run, workspace: Workspace) -> None:
    trained.register_model("a", "outputs/model.pkl", tags={"stage": "dev", "area": "kr"})
    trained.register_model("a", "outputs/model.pkl", tags={"stage": "prod"}, properties={"k": "v"})
    trained.register_model("b", "outputs", model_framework="Onnx", datasets=[("training data", "d-1")])

    def ids(**wanted: object) -> list[str]:
        return [model.id for model in Model.list(workspace, **wanted)]  # type: ignore[arg-type]

    assert ids() == ["b:1", "a:2", "a:1"]
    assert ids(name="a") == ["a:2", "a:1"]
    assert ids(latest=True) == ["b:1", "a:2"]
    assert ids(name="a", latest=True) == ["a:2"]
    assert ids(tags=["stage"]) == ["a:2", "a:1"]
    assert ids(tags=[["stage", "dev"], "area"]) == ids(tags={"stage": "dev"}) == ["a:1"]
    assert ids(properties=[("k", "v")]) == ["a:2"]
    assert ids(run_id=trained.id) == ["b:1", "a:2", "a:1"]
    assert ids(run_id="another") == ids(name="c") == []
    assert ids(model_framework="Onnx") == ids(dataset_id="d-1") == ["b:1"]
    assert Model(workspace, "a", tags=[["stage", "dev"]]).version == 1
    assert Model(workspace, run_id=trained.id).id == "b:1"


def test_a_model_that_is_not_there_is_told_with_those_that_are(trained: Run, workspace: Workspace) -> None:
    trained.register_model("digits", "outputs/model.pkl")
    with pytest.raises(WebserviceException, match="ModelNotFound: There is no model 'digit'") as error:
        Model(workspace, "digit")
    assert isinstance(error.value, ModelNotFoundException)
    assert "'digits'" in error.value.message
    assert error.value.status_code == 404
    with pytest.raises(ModelNotFoundException, match="has no version 7; it has: 1"):
        Model(workspace, "digits", version=7)
    with pytest.raises(ModelNotFoundException, match=r"there are: digits:1"):
        Model(workspace, "digits", tags=["none"])
    with pytest.raises(UserErrorException, match="a number from 1"):
        Model(workspace, "digits", version="new")


def test_tags_and_descriptions_change_and_properties_do_not(trained: Run, workspace: Workspace) -> None:
    model = trained.register_model("digits", "outputs/model.pkl", tags={"a": "1"}, properties={"p": "1"})
    model.add_tags({"b": "2", "c": None})
    model.remove_tags(["a", "zzz"])
    model.add_properties({"q": "2", "p": "1"})
    with pytest.raises(UserErrorException, match="'p' of the model digits:1 is '1' already"):
        model.update_tags_properties(add_tags={"d": "4"}, add_properties={"p": "2"})
    assert model.tags == Model(workspace, "digits").tags == {"b": "2", "c": None}
    assert Model(workspace, "digits").properties == {"p": "1", "q": "2"}
    model.update(tags={"only": "this"}, description="Better.", sample_input_dataset="d-2")
    model.add_dataset_references([("training data", "d-1"), ("training data", "d-1")])
    again = Model(workspace, "digits")
    assert (again.tags, again.description, again.sample_input_dataset) == (
        {"only": "this"},
        "Better.",
        "d-2",
    )
    assert again.datasets == {"training data": ["d-1"]}
    with pytest.raises(UserErrorException, match="size limit"):
        model.add_tags({"long": "x" * 5_001})


def test_a_deleted_version_is_gone(trained: Run, workspace: Workspace) -> None:
    first, second = (trained.register_model("digits", "outputs/model.pkl") for _ in range(2))
    second.delete()
    assert Model(workspace, "digits") == first
    with pytest.raises(ModelNotFoundException, match="was deleted"):
        Model(workspace, "digits", version=2)
    assert [model.id for model in Model.list(workspace)] == ["digits:1"]
    assert trained.register_model("digits", "outputs/model.pkl").version == 3
    with pytest.raises(UserErrorException, match="was deleted"):
        second.download("back")


def test_the_path_of_a_model_is_local(
    trained: Run, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.register_model("net", "outputs/weights")
    (tmp_path / "serving").mkdir()
    monkeypatch.chdir(tmp_path / "serving")
    path = Model.get_model_path("net", _workspace=workspace)
    assert path == os.path.join("azureml-models", "net", "1", "weights")
    assert list(files(Path(path))) == ["a.bin", "part/b.bin"]
    Path(path, "a.bin").unlink()
    assert Model.get_model_path("net", version=1, _workspace=workspace) == path
    assert Path(path, "a.bin").read_bytes() == b"aaa"
    with pytest.raises(ModelNotFoundException, match="there are: 'net'"):
        Model.get_model_path("nit", _workspace=workspace)


def test_a_model_outlives_its_run_though_nothing_of_the_run_is_left(
    trained: Run, workspace: Workspace, tmp_path: Path
) -> None:
    model = trained.register_model("net", "outputs/weights")
    trained.complete()
    service = workspace._service
    service.runs.delete(trained._ref)
    assert Model(workspace, "net").run_id == trained.id
    assert service.purging.purge(older_than=0).runs == 1
    # the contents of what was not registered may go, and those of the model may not
    service.artifacts.sweep(older_than=-1)
    assert {path.read_bytes() for path in Path(workspace.location, "blobs").glob("??/*")} == {b"aaa", b"bbbb"}
    model.download(tmp_path / "back")
    assert files(tmp_path / "back") == {"weights/a.bin": b"aaa", "weights/part/b.bin": b"bbbb"}
    with pytest.raises(UserErrorException, match="no run"):
        _ = Model(workspace, "net").run


def test_a_model_is_written_and_shown(trained: Run, workspace: Workspace) -> None:
    model = trained.register_model("digits", "outputs/model.pkl", tags={"a": "<b>"})
    payload = json.loads(json.dumps(model.serialize()))
    assert (payload["id"], payload["runId"], payload["tags"]) == ("digits:1", trained.id, {"a": "<b>"})
    assert payload["createdTime"].endswith("Z")
    assert Model.deserialize(workspace, payload) == model
    assert f"name=digits, id=digits:1, version=1, tags={model.tags}, properties={{}})" in repr(model)
    page = model._repr_html_()
    assert "digits" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_what_only_a_cloud_can_do_is_refused(trained: Run, workspace: Workspace) -> None:
    model = trained.register_model("digits", "outputs/model.pkl")
    with pytest.raises(UserErrorException, match="does not serve"):
        Model.deploy(workspace, "service", [model])
    with pytest.raises(UserErrorException, match=r"Model\.download"):
        model.get_sas_urls()


def test_an_offline_run_registers_models_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    run = Run.get_context()
    (project / "model.pkl").write_bytes(b"1")
    run.upload_file("outputs/model.pkl", "model.pkl")
    assert run.register_model("offline", "outputs/model.pkl").run_id == run.id


def test_models_of_workspaces_are_apart(trained: Run, workspace: Workspace, history: Path) -> None:
    trained.register_model("digits", "outputs/model.pkl")
    other = Workspace(workspace_name="other", history=history)
    assert other.models == {}
    assert Experiment(other, "e").start_logging(outputs=False).get_file_names() == []
