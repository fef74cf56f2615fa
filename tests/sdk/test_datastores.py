"""Datastores: the workspace's own, directories, and object storage on a real S3 server."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from runstone import Dataset, Datastore, Workspace
from runstone.exceptions import UserErrorException
from runstone.model.errors import NotFound, ServiceException
from runstone.service import storage
from runstone.store.database import open_database
from tests.hostile_names import ACCEPTED, REFUSED
from tests.s3 import S3

CANARY = "canary-7f1c2a"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3.started() as server:
        yield server


@pytest.fixture
def own(workspace: Workspace) -> Datastore:
    return workspace.get_default_datastore()


@pytest.fixture
def folder(project: Path) -> Path:
    """`in/` with a.csv and sub/b.csv."""
    root = project / "in"
    (root / "sub").mkdir(parents=True)
    (root / "a.csv").write_text("a")
    (root / "sub" / "b.csv").write_text("b")
    return root


@pytest.fixture(params=["own", "directory", "s3"])
def store(request: pytest.FixtureRequest, workspace: Workspace, tmp_path: Path) -> Datastore:
    """The same on each kind."""
    if request.param == "directory":
        (tmp_path / "data").mkdir()
        return Datastore.register_directory(workspace, "shared", tmp_path / "data")
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        request.getfixturevalue("monkeypatch").setenv("MY_S3_KEY", server.secret)
        return server.registered(workspace)
    return workspace.get_default_datastore()


def below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_workspace_has_a_datastore_of_its_own(workspace: Workspace, own: Datastore):
    assert (own.name, own.datastore_type) == ("workspaceblobstore", "directory")
    assert Path(own.location).is_relative_to(workspace.location)
    assert list(workspace.datastores) == ["workspaceblobstore"]
    assert Datastore.get(workspace, "WorkspaceBlobStore") == own == Datastore.get_default(workspace)
    other = Workspace.create("other").get_default_datastore()
    assert other != own
    assert other.location != own.location
    with pytest.raises(UserErrorException, match="workspace's own"):
        own.unregister()


def test_what_is_uploaded_is_downloaded(store: Datastore, folder: Path, tmp_path: Path):
    reference = store.upload(folder, target_path="raw")
    assert (reference.datastore, reference.path_on_datastore) == (store, "raw")
    assert store.download(tmp_path / "all") == 2
    assert below(tmp_path / "all") == ["raw/a.csv", "raw/sub/b.csv"]
    assert store.download(tmp_path / "part", prefix="raw/sub") == 1
    assert below(tmp_path / "part") == ["raw/sub/b.csv"]
    assert store.download(tmp_path / "one", prefix="raw/a.csv") == 1
    assert (tmp_path / "one" / "raw" / "a.csv").read_text() == "a"
    assert store.download(tmp_path / "none", prefix="nope") == 0


def test_files_are_uploaded_by_their_names_or_below_a_root(store: Datastore, folder: Path, tmp_path: Path):
    paths = [folder / "a.csv", folder / "sub" / "b.csv"]
    store.upload_files(paths, target_path="flat")
    store.upload_files(paths, relative_root=folder, target_path="deep")
    store.download(tmp_path / "out")
    assert below(tmp_path / "out") == ["deep/a.csv", "deep/sub/b.csv", "flat/a.csv", "flat/b.csv"]
    with pytest.raises(UserErrorException, match="is not below"):
        store.upload_files(paths, relative_root=folder / "sub", target_path="wrong")
    with pytest.raises(FileNotFoundError):
        store.upload_files([*paths, folder / "nope"], target_path="wrong")
    assert store.download(tmp_path / "wrong", prefix="wrong") == 0


def test_what_is_there_stays_unless_it_is_to_be_replaced(
    store: Datastore, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    store.upload(folder)
    (folder / "a.csv").write_text("changed")
    store.upload(folder)
    assert "Target already exists. Skipping upload for a.csv" in capsys.readouterr().out
    store.download(tmp_path / "out")
    assert (tmp_path / "out" / "a.csv").read_text() == "a"
    store.upload(folder, overwrite=True)
    assert store.download(tmp_path / "out") == 0
    assert (tmp_path / "out" / "a.csv").read_text() == "a"
    assert store.download(tmp_path / "out", overwrite=True, show_progress=False) == 2
    assert (tmp_path / "out" / "a.csv").read_text() == "changed"
    assert capsys.readouterr().out.count("Target already exists. Skipping download") == 2


def test_a_large_file_goes_in_parts(store: Datastore, project: Path, tmp_path: Path):
    content = os.urandom(1 << 20) * 20
    (project / "big.bin").write_bytes(content)
    store.upload_files([project / "big.bin"])
    store.download(tmp_path / "out")
    assert (tmp_path / "out" / "big.bin").read_bytes() == content


def test_no_name_leads_out_of_a_datastore(store: Datastore, folder: Path, tmp_path: Path):
    for name in REFUSED:
        if name in ("", "."):
            continue
        before = below(tmp_path)
        # a path that begins or ends in a slash is the same folder
        if not name.strip("/") or name.startswith("/") or name.endswith("/"):
            continue
        with pytest.raises(UserErrorException):
            store.upload(folder, target_path=name)
        with pytest.raises(UserErrorException):
            store.download(tmp_path / "out", prefix=name)
        with pytest.raises(UserErrorException):
            store.path(name)
        assert below(tmp_path) == before


def test_a_name_that_is_accepted_is_found_under_it(store: Datastore, folder: Path, tmp_path: Path):
    short = {name: kept for name, kept in ACCEPTED.items() if len(name) < 200}
    for number, (name, kept) in enumerate(short.items()):
        store.upload_files([folder / "a.csv"], target_path=name, overwrite=True, show_progress=False)
        target = tmp_path / f"out{number}"
        assert store.download(target, prefix=name, show_progress=False) == 1, name
        assert below(target) == [f"{kept}/a.csv"]


def test_links_are_followed_inside_alone(own: Datastore, folder: Path, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "out").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    (folder / "inner.csv").symlink_to(folder / "a.csv")
    os.mkfifo(folder / "pipe")
    with pytest.warns(RuntimeWarning, match="is not uploaded") as told:
        own.upload(folder)
    assert len(told) == 3
    root = Path(own.location)
    assert below(root) == ["a.csv", "inner.csv", "sub/b.csv"]
    (root / "stolen").symlink_to(secret)
    (root / "outside").symlink_to(tmp_path)
    with pytest.warns(RuntimeWarning, match="link out of the directory"):
        assert own.download(tmp_path / "out") == 3
    for prefix in ("stolen", "outside", "outside/secret"):
        with pytest.raises(UserErrorException, match="a link out of"):
            own.download(tmp_path / "out", prefix=prefix)
    with pytest.raises(UserErrorException, match="symbolic link"):
        own.upload_files([folder / "a.csv"], target_path="outside")
    assert not (tmp_path / "a.csv").exists()


def test_nothing_is_written_through_a_link_of_the_target(own: Datastore, folder: Path, tmp_path: Path):
    own.upload(folder)
    target, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    target.mkdir()
    elsewhere.mkdir()
    (target / "sub").symlink_to(elsewhere)
    with pytest.raises(UserErrorException, match="symbolic link"):
        own.download(target)
    assert below(elsewhere) == []


def test_a_directory_is_registered_under_a_name(workspace: Workspace, tmp_path: Path, folder: Path):
    first = Datastore.register_directory(workspace, "Shared", folder)
    assert (first.name, first.location) == ("shared", str(folder))
    assert Datastore.register_directory(workspace, "shared", folder) == first
    assert list(workspace.datastores) == ["workspaceblobstore", "shared"]
    (tmp_path / "other").mkdir()
    with pytest.raises(UserErrorException, match="overwrite=True"):
        Datastore.register_directory(workspace, "shared", tmp_path / "other")
    second = Datastore.register_directory(workspace, "shared", tmp_path / "other", overwrite=True)
    assert Datastore(workspace, "shared").location == second.location == str(tmp_path / "other")
    second.unregister()
    with pytest.raises(NotFound, match="there are: workspaceblobstore"):
        Datastore.get(workspace, "shared")
    with pytest.raises(NotFound):
        second.unregister()
    assert Datastore.register_directory(workspace, "shared", folder).location == str(folder)
    assert below(folder) == ["a.csv", "sub/b.csv"]


def test_another_datastore_can_be_the_default(workspace: Workspace, folder: Path):
    shared = Datastore.register_directory(workspace, "shared", folder)
    shared.set_as_default()
    assert workspace.get_default_datastore() == shared == Datastore(workspace)
    workspace.set_default_datastore("workspaceblobstore")
    assert workspace.get_default_datastore().name == "workspaceblobstore"
    workspace.set_default_datastore("shared")
    shared.unregister()
    assert workspace.get_default_datastore().name == "workspaceblobstore"
    with pytest.raises(NotFound):
        workspace.set_default_datastore("nope")


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "-a", "x" * 256, 5, None, "workspaceblobstore"])
def test_a_name_that_cannot_be_is_refused(workspace: Workspace, folder: Path, name: str):
    with pytest.raises(UserErrorException):
        Datastore.register_directory(workspace, name, folder)
    assert list(workspace.datastores) == ["workspaceblobstore"]


def test_a_directory_that_is_not_there_is_refused(workspace: Workspace, tmp_path: Path, folder: Path):
    with pytest.raises(UserErrorException, match="no directory"):
        Datastore.register_directory(workspace, "shared", tmp_path / "nope")
    with pytest.raises(UserErrorException, match="no directory"):
        Datastore.register_directory(workspace, "shared", folder / "a.csv")
    shared = Datastore.register_directory(workspace, "shared", folder)
    folder.rename(tmp_path / "away")
    with pytest.raises(UserErrorException, match="not there"):
        shared.download(tmp_path / "out")


def test_credentials_are_named_and_never_kept(workspace: Workspace, history: Path):
    register = Datastore.register_object_store
    with pytest.raises(UserErrorException, match="never kept"):
        register(workspace, "s", "s3://bucket", options={"secret_access_key": CANARY})
    with pytest.raises(UserErrorException, match="environment variable"):
        register(workspace, "s", "s3://bucket", credentials={"secret_access_key": f"{CANARY}/+"})
    for url in (f"s3://user:{CANARY}@bucket", f"s3://bucket?key={CANARY}"):
        with pytest.raises(UserErrorException, match="credentials") as told:
            register(workspace, "s", url)
        assert CANARY not in str(told.value)
    with pytest.raises(UserErrorException, match="holds credentials"):
        register(workspace, "s", "s3://bucket", options={"endpoint": f"http://me:{CANARY}@host"})
    for name in ("sig", "X-Amz-Signature", "access_token", "apikey"):
        with pytest.raises(UserErrorException, match="holds credentials") as told:
            Dataset.File.from_files(f"https://host/x.csv?v=1&{name}={CANARY}", validate=False)
        assert CANARY not in str(told.value)
    with pytest.raises(UserErrorException, match="s3://bucket/prefix"):
        register(workspace, "s", "ftp://bucket")
    assert list(workspace.datastores) == ["workspaceblobstore"]
    open_database(history / "history.db").persist()
    assert [
        path for path in history.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ] == []


def test_an_azure_container_is_registered_as_in_the_original(workspace: Workspace):
    made = Datastore.register_azure_blob_container(
        workspace=workspace,
        datastore_name="Images",
        container_name="images",
        account_name="mine",
        account_key="env:MY_AZURE_KEY",
    )
    assert (made.name, made.container_name, made.account_name) == ("images", "images", "mine")
    assert made.location == "az://images"
    assert made._body["credentials"] == {"account_key": "env:MY_AZURE_KEY"}


def test_a_key_that_is_given_goes_to_the_key_store(workspace: Workspace, history: Path):
    register = partial(Datastore.register_azure_blob_container, workspace, "my_images", "images", "mine")
    made = register(account_key=CANARY)
    (name,) = [one.name for one in workspace._service.secrets.list(workspace.name)]
    assert made._body["credentials"] == {"account_key": f"secret:{name}"}
    assert workspace._service.secrets.get(workspace.name, name) == CANARY
    assert register(account_key=CANARY) == made
    with pytest.raises(UserErrorException, match="overwrite=True"):
        register(account_key="another")
    assert workspace._service.secrets.get(workspace.name, name) == CANARY
    register(account_key="another", overwrite=True)
    assert workspace._service.secrets.get(workspace.name, name) == "another"
    open_database(history / "history.db").persist()
    kept = [path for path in history.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert kept == []
    made.unregister()
    assert workspace._service.secrets.list(workspace.name) == ()


def test_credentials_may_be_secrets_of_the_workspace(workspace: Workspace, s3: S3, folder: Path):
    workspace._service.secrets.put(workspace.name, {"my-key": s3.secret})
    named = {"access_key_id": "secret:my-key", "secret_access_key": "secret:my-key"}
    store = Datastore.register_object_store(
        workspace, "cloud", "s3://data/by-secret", options=s3.options, credentials=named
    )
    store.upload(folder)
    assert store.download(folder / "back") == 2
    store.unregister()
    assert [one.name for one in workspace._service.secrets.list(workspace.name)] == ["my-key"]


def test_a_bucket_that_is_not_there_is_told_by_its_address(workspace: Workspace, s3: S3, tmp_path: Path):
    wrong = Datastore.register_object_store(
        workspace, "nowhere", "s3://no-such-bucket", options=s3.options, credentials={}
    )
    with pytest.raises((UserErrorException, ServiceException), match="no-such-bucket"):
        wrong.download(tmp_path / "out")


def test_object_storage_without_its_extra_says_what_to_install(workspace: Workspace, project: Path):
    Datastore.register_object_store(workspace, "cloud", "s3://bucket/prefix")
    text = (
        "import sys; sys.modules['obstore'] = sys.modules['obstore.store'] = None\n"
        "from runstone import Workspace\n"
        "Workspace.from_config().datastores['cloud'].download('out')"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=project, env=environ, capture_output=True, text=True, check=False
    )
    assert "pip install runstone[cloud]" in done.stderr


@pytest.mark.parametrize(
    "register",
    [
        Datastore.register_azure_file_share,
        Datastore.register_azure_data_lake,
        Datastore.register_azure_data_lake_gen2,
        Datastore.register_azure_sql_database,
        Datastore.register_azure_postgre_sql,
        Datastore.register_azure_my_sql,
        Datastore.register_dbfs,
        Datastore.register_hdfs,
    ],
)
def test_what_only_a_cloud_has_is_refused_with_a_way_on(
    register: Callable[..., object], workspace: Workspace
):
    with pytest.raises(UserErrorException, match=r"register|read it in the script"):
        register(workspace, "x")


def test_a_web_address_is_read_only(project: Path):
    web = storage.Web("http://127.0.0.1:9/data.csv")
    assert [entry.name for entry in web.list("")] == ["data.csv"]
    assert web.local("") is None
    with pytest.raises(UserErrorException, match="for reading"):
        web.put("x", io.BytesIO(b"x"), overwrite=True)
    with pytest.raises(UserErrorException, match="cannot be read"):
        web.open("data.csv")
