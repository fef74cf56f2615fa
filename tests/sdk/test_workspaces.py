"""Workspaces: how one is found without set-up, by every form of configuration file (3; Ours 1)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runstone import Experiment, Workspace
from runstone.exceptions import ServiceException, UserErrorException, WorkspaceException
from runstone.service.connect import disconnect

AZURE = {"subscription_id": "sub", "resource_group": "group", "workspace_name": "azure-ws"}


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory below which, and above which, nothing of ours is."""
    path = tmp_path_factory.mktemp("elsewhere") / "a" / "b"
    path.mkdir(parents=True)
    monkeypatch.chdir(path)
    return path


def write(path: Path, value: object, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding=encoding)
    return path


def test_with_nothing_anywhere_it_is_the_embedded_one_of_the_user(elsewhere: Path, project: Path) -> None:
    workspace = Workspace.from_config()
    assert workspace.name == "default"
    assert workspace.location == str(project / "home" / "history")


def test_the_nearest_directory_upwards_holds_the_history(
    project: Path, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "deep" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "deeper")
    assert Workspace.from_config().location == str(history)
    (project / "deep" / ".runstone" / "history").mkdir(parents=True)
    assert Workspace.from_config().location == str(project / "deep" / ".runstone" / "history")


def test_our_own_file_names_history_workspace_and_experiment(
    project: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"history": str(project / "other"), "workspace": "ours", "experiment": "tries"}
    write(elsewhere / ".runstone" / "config.json", values)
    (elsewhere / "deep").mkdir()
    monkeypatch.chdir(elsewhere / "deep")
    workspace = Workspace.from_config()
    assert (workspace.name, workspace.location) == ("ours", str(project / "other"))


def test_a_relative_history_is_beside_the_file(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(elsewhere / ".runstone" / "config.json", {"history": "../kept"})
    (elsewhere / "deep").mkdir()
    monkeypatch.chdir(elsewhere / "deep")
    assert Workspace.from_config().location == str(elsewhere / "kept")


@pytest.mark.parametrize("name", [".azureml/config.json", "config.json", "aml_config/config.json"])
def test_a_file_of_the_original_names_the_workspace(
    project: Path, history: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / name, AZURE)
    (project / "deep").mkdir()
    monkeypatch.chdir(project / "deep")
    workspace = Workspace.from_config()
    assert (workspace.name, workspace.location) == ("azure-ws", str(history))
    assert (workspace.subscription_id, workspace.resource_group) == ("sub", "group")
    assert workspace.tags == {}


def test_the_nearest_file_wins_whichever_kind_it_is(
    project: Path, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / ".runstone" / "config.json", {"workspace": "ours"})
    write(project / "below" / ".azureml" / "config.json", AZURE)
    write(project / "below" / "again" / ".azureml" / "config.json", {**AZURE, "workspace_name": "nearer"})
    found = {}
    for place in (".", "below", "below/again"):
        monkeypatch.chdir(project / place)
        found[place] = Workspace.from_config().name
        assert Workspace.from_config().location == str(history)
    assert found == {".": "ours", "below": "azure-ws", "below/again": "nearer"}


def test_of_two_files_in_one_directory_ours_wins(project: Path) -> None:
    write(project / ".runstone" / "config.json", {"workspace": "ours"})
    write(project / ".azureml" / "config.json", AZURE)
    assert Workspace.from_config().name == "ours"


@pytest.mark.parametrize("key", ["subscription_id", "resource_group", "workspace_name"])
def test_a_file_of_the_original_that_lacks_a_key_is_told_so(project: Path, key: str) -> None:
    path = write(project / ".azureml" / "config.json", {**AZURE, key: ""})
    for call in (Workspace.from_config, lambda: Workspace.from_config(path=str(path))):
        with pytest.raises(UserErrorException) as caught:
            call()
        message = caught.value.message
        assert message.startswith(f"The config file found in: {path} does not seem to contain the required")
        assert "make sure it contains your subscription_id, resource_group and workspace_name." in message
        assert key in message


@pytest.mark.parametrize("text", ["", "{", "[1]", '"text"', "\x00\x01", "null"])
@pytest.mark.parametrize("name", [".azureml/config.json", ".runstone/config.json"])
def test_a_malformed_file_is_named(project: Path, name: str, text: str) -> None:
    path = write(project / name, text)
    with pytest.raises(UserErrorException, match=r"config file .*config\.json"):
        Workspace.from_config()
    with pytest.raises(UserErrorException, match=r"config file .*config\.json"):
        Workspace.from_config(path)


def test_a_file_that_may_be_another_programs_is_passed_over(project: Path) -> None:
    for text in ("{", "[1]", '{"learning_rate": 0.1}'):
        write(project / "config.json", text)
        assert Workspace.from_config().name == "default"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_does_no_harm(project: Path, encoding: str) -> None:
    write(project / ".azureml" / "config.json", {**AZURE, "resource_group": "그룹"}, encoding)
    assert Workspace.from_config().resource_group == "그룹"


def test_another_encoding_is_told_so(project: Path) -> None:
    write(project / ".azureml" / "config.json", AZURE, "utf-16")
    with pytest.raises(UserErrorException, match="cannot be read"):
        Workspace.from_config()


def test_a_path_may_be_a_file_or_where_to_start(project: Path, elsewhere: Path) -> None:
    file = write(project / "sub" / ".azureml" / "config.json", AZURE)
    bare = write(project / "bare.json", {**AZURE, "workspace_name": "bare"})
    (project / "sub" / "deep").mkdir()
    for path in (
        file,
        str(file),
        project / "sub",
        str(project / "sub" / "deep"),
        project / "sub" / ".azureml",
    ):
        assert Workspace.from_config(path=path).name == "azure-ws"
    assert Workspace.from_config(bare).name == "bare"
    assert Workspace.from_config(project).name == "default"


def test_a_path_from_which_nothing_is_found_is_told_so(elsewhere: Path) -> None:
    with pytest.raises(UserErrorException) as caught:
        Workspace.from_config(path=str(elsewhere))
    assert caught.value.message.startswith(
        f"The workspace configuration file config.json, could not be found in {elsewhere} or its parent "
        "directories."
    )


def test_a_path_that_is_not_there_is_told_so(project: Path) -> None:
    with pytest.raises(UserErrorException, match="could not be found in"):
        Workspace.from_config(path=project / "nothing" / "config.json")


def test_a_file_of_another_name_is_looked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / ".azureml" / "production.json", {**AZURE, "workspace_name": "production"})
    (project / "deep").mkdir()
    monkeypatch.chdir(project / "deep")
    assert Workspace.from_config(_file_name="production.json").name == "production"
    with pytest.raises(UserErrorException, match=r"staging\.json, could not be found"):
        Workspace.from_config(_file_name="staging.json")


@pytest.mark.parametrize("file_name", [None, "mine.json"])
def test_what_is_written_is_found_again_from_elsewhere(
    project: Path, history: Path, elsewhere: Path, file_name: str | None
) -> None:
    workspace = Workspace("sub", "group", "ours", history=history)
    workspace.write_config(elsewhere, file_name)
    (elsewhere / "deep").mkdir()
    written = elsewhere / ".runstone" / (file_name or "config.json")
    for found in (
        Workspace.from_config(_file_name=file_name),
        Workspace.from_config(path=elsewhere / "deep", _file_name=file_name),
        Workspace.from_config(path=written),
    ):
        assert found == workspace
        assert (found.name, found.subscription_id, found.resource_group) == ("ours", "sub", "group")
    assert set(json.loads(written.read_text())) >= {"subscription_id", "resource_group", "workspace_name"}


def test_what_is_written_beside_the_history_moves_with_it(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.create("ours")
    workspace.write_config()
    Experiment(workspace, "kept")
    disconnect(workspace.location)
    moved = tmp_path_factory.mktemp("moved") / "project"
    (project / ".runstone").rename(moved.parent / "aside")
    moved.mkdir()
    (moved.parent / "aside").rename(moved / ".runstone")
    monkeypatch.chdir(moved)
    found = Workspace.from_config()
    assert (found.name, found.location) == ("ours", str(moved / ".runstone" / "history"))
    assert list(found.experiments) == ["kept"]
    disconnect(found.location)


def test_the_environment_comes_first(project: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(elsewhere / ".runstone" / "config.json", {"history": "h", "workspace": "ours"})
    monkeypatch.setenv("AZUREML_ARM_WORKSPACE_NAME", "from-azure")
    assert Workspace.from_config().name == "from-azure"
    monkeypatch.setenv("RUNSTONE_WORKSPACE", "named")
    monkeypatch.setenv("RUNSTONE_HISTORY", str(project / "given"))
    workspace = Workspace.from_config()
    assert (workspace.name, workspace.location) == ("named", str(project / "given"))
    assert Workspace().name == "named"


def test_a_home_directory_is_the_last_resort(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNSTONE_HOME", str(tmp_path / "mine"))
    assert Workspace.from_config().location == str(tmp_path / "mine" / "history")


def test_the_originals_arguments_are_kept_as_labels(history: Path) -> None:
    workspace = Workspace("sub", "group", "ours")
    assert (workspace.name, workspace.subscription_id, workspace.resource_group) == ("ours", "sub", "group")
    assert Workspace(workspace_name="ours").subscription_id == "sub"
    assert Workspace("s", "g", "more", None, "westeurope", True, None, "basic", {"t": "1"}).tags == {"t": "1"}


@pytest.mark.parametrize("name", ["x", "x" * 33, "-x", "with space", "ünï", ""])
def test_a_workspace_name_that_is_not_legal_is_refused(name: str) -> None:
    with pytest.raises(UserErrorException, match="Workspace name must be 2 to 32"):
        Workspace.create(name)


def test_workspaces_are_created_and_got_by_name() -> None:
    made = Workspace.create("ours", None, "sub", "group", "westeurope", tags={"team": "vision"})
    assert (made.sku, made.tags, made.subscription_id) == ("basic", {"team": "vision"}, "sub")
    assert Workspace.get("ours") == made
    assert Workspace.get(name="ours", subscription_id="sub", resource_group="group").tags == made.tags
    assert Workspace.create("ours", exist_ok=True) == made
    with pytest.raises(WorkspaceException, match="'ours' exists already; pass exist_ok=True"):
        Workspace.create("ours")
    with pytest.raises(WorkspaceException, match=r"'nowhere'.*ours"):
        Workspace.get("nowhere")


def test_every_workspace_of_the_history_is_listed() -> None:
    names = {"one", "two"}
    for name in names:
        Workspace.create(name)
    listed = Workspace.list("sub")
    assert set(listed) == names
    assert [workspace.name for workspace in listed["one"]] == ["one"]


def test_workspaces_are_apart(history: Path) -> None:
    one, two = Workspace.create("one"), Workspace.create("two")
    run = Experiment(one, "tries").start_logging(run_id="same-id")
    other = Experiment(two, "tries").start_logging(run_id="same-id")
    run.tag("in", "one")
    assert one.get_run("same-id").tags == {"in": "one"}
    assert two.get_run("same-id").tags == {}
    assert run != other
    assert (len(one.search_runs()), len(two.search_runs())) == (1, 1)
    with pytest.raises(UserErrorException, match="nothing"):
        one.get_run("nothing")


def test_a_workspace_tells_of_itself(workspace: Workspace, experiment: Experiment) -> None:
    assert workspace.experiments == {"explore-runs": experiment}
    assert list(workspace.compute_targets) == ["local"]
    assert workspace.compute_targets["local"].get_status() == "Succeeded"
    details = workspace.get_details()
    assert (details["name"], details["friendlyName"]) == ("default", "default")
    assert {"id", "location", "type", "tags", "workspaceid", "description", "creationTime", "sku"} <= set(
        details
    )
    assert {"containerRegistry", "keyVault", "applicationInsights", "storageAccount"} <= set(details)
    assert "default" in repr(workspace)
    assert "default" in workspace._repr_html_()
    assert workspace == Workspace.from_config()
    assert len({workspace, Workspace.from_config()}) == 1
    assert workspace != experiment


def test_a_config_that_cannot_be_read_does_not_matter_where_none_is_needed(
    project: Path, history: Path
) -> None:
    write(project / ".azureml" / "config.json", "{")
    assert Workspace(workspace_name="ours", history=history).name == "ours"
    assert Workspace.get("ours", history=history).name == "ours"


@pytest.mark.parametrize("scheme", ["postgresql", "sqlite", "s3", "file"])
def test_an_address_that_is_no_servers_is_told_what_would_be(project: Path, scheme: str) -> None:
    before = sorted(project.iterdir())
    with pytest.raises(UserErrorException, match="server's address"):
        Workspace(workspace_name="ours", history=f"{scheme}://example.invalid/x")
    assert sorted(project.iterdir()) == before


def test_a_server_that_is_not_there_is_told_by_its_address(project: Path) -> None:
    with pytest.raises(ServiceException, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        Workspace(workspace_name="ours", history="http://127.0.0.1:9")
