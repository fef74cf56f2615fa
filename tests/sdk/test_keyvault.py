"""The key store: secrets for scripts that must not carry them, and that show up nowhere."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runstone import Keyvault, Run, Workspace
from runstone.exceptions import UserErrorException
from runstone.sdk.keyvault import KeyVaultContentType
from runstone.service.connect import disconnect

# Made here from pieces, so that no scanner takes this file for a leak.
CANARY = "canary-" + "Kx7Qm2Vb9Lr4Tz8"


def test_secrets_are_set_got_listed_and_deleted(workspace: Workspace) -> None:
    keyvault = workspace.get_default_keyvault()
    assert isinstance(keyvault, Keyvault)
    keyvault.set_secret("api-key", CANARY)
    keyvault.set_secrets({"one": "1", "two": "2"})
    assert keyvault.get_secret("api-key") == keyvault.get_secret(name="api-key") == CANARY
    assert keyvault.get_secrets(["one", "two", "three"]) == {"one": "1", "two": "2", "three": None}
    assert Keyvault(workspace).list_secrets() == ["api-key", "one", "two"]
    keyvault.delete_secret("one")
    keyvault.delete_secrets(["two"])
    assert keyvault.list_secrets() == ["api-key"]
    with pytest.raises(UserErrorException, match="no secret 'one' in this workspace; there are: 'api-key'"):
        keyvault.get_secret("one")


def test_the_kind_of_a_value_is_kept(workspace: Workspace) -> None:
    keyvault = workspace.get_default_keyvault()
    keyvault.set_secret("a", "1")
    keyvault.set_secret("b", "{}", content_type=KeyVaultContentType.json)
    keyvault.set_secret("c", "x", content_type="text/x-mine")
    kinds = [keyvault.get_secret_content_type(name) for name in ("A", "b", "c")]
    assert kinds == ["application/NotProvided", "application/json", "text/x-mine"]
    with pytest.raises(UserErrorException, match="no secret 'd'"):
        keyvault.get_secret_content_type("d")


@pytest.mark.parametrize("name", ["a_b", "", "a b", "x" * 128])
def test_a_name_that_the_original_refuses_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(UserErrorException, match="1 to 127 letters, digits and dashes"):
        workspace.get_default_keyvault().set_secret(name, CANARY)


def test_a_run_gets_secrets_of_its_workspace(workspace: Workspace, run: Run) -> None:
    workspace.get_default_keyvault().set_secret("api-key", CANARY)
    assert run.get_secret("api-key") == run.get_secret(name="api-key") == CANARY
    assert run.get_secrets(["api-key", "none"]) == {"api-key": CANARY, "none": None}
    assert Run.get_context().get_secret("api-key") == CANARY


def test_what_is_no_dict_is_refused_and_not_shown(workspace: Workspace) -> None:
    with pytest.raises(UserErrorException) as error:
        workspace.get_default_keyvault().set_secrets(CANARY)  # type: ignore[arg-type]
    assert CANARY not in str(error.value)


def test_a_secret_is_found_in_no_file_and_no_message(
    workspace: Workspace,
    run: Run,
    project: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("RUNSTONE_CAPTURE", "all")
    keyvault = workspace.get_default_keyvault()
    keyvault.set_secret("api-key", "old" + CANARY)
    keyvault.set_secret("api-key", CANARY)
    child = run.child_run("uses")
    child.log("length", len(child.get_secret("api-key")))
    child.complete()
    run.complete()
    shown = [repr(keyvault), keyvault._workspace._repr_html_(), repr(run), run._repr_html_()]
    shown += [str(run.get_details()), str(workspace.get_details()), caplog.text, *capfd.readouterr()]
    assert [text for text in shown if CANARY in text] == []
    disconnect(workspace.location)
    # the database with its WAL, journals, blobs, and the home with the key
    files = [path for path in project.rglob("*") if path.is_file()]
    assert any(path.name == "history.db" for path in files)
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_an_interpreter_without_the_package_says_what_to_install(
    script: Callable[..., subprocess.Popen[str]], workspace: Workspace
) -> None:
    workspace.get_default_keyvault().set_secret("api-key", CANARY)
    process = script(
        """
        import sys
        sys.modules["cryptography"] = None  # as if it were not installed
        from runstone import Workspace
        from runstone.exceptions import UserErrorException
        keyvault = Workspace.from_config().get_default_keyvault()
        print(keyvault.list_secrets())
        try:
            keyvault.get_secret("api-key")
        except UserErrorException as error:
            print(error)
        """
    )
    out, err = process.communicate()
    assert err == ""
    assert out.startswith("['api-key']\n")
    assert "pip install runstone[secrets]" in out
    assert "the pip package cryptography" in out


def test_secrets_cost_nothing_to_those_who_have_none(script: Callable[..., subprocess.Popen[str]]) -> None:
    process = script(
        """
        import sys
        from runstone import Experiment, Workspace
        Experiment(Workspace.from_config(), "e").start_logging(outputs=False).complete()
        print("cryptography" in sys.modules)
        """
    )
    assert process.communicate()[0] == "False\n"
