"""Secrets in submitted scripts: got by name, and left in no log, table or file of the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from runstone import Environment
from tests.launch.conftest import Bench

CANARY = "canary-" + "Kx7Qm2Vb9Lr4Tz8"
SCRIPT = """
from azureml.core import Run
run = Run.get_context(allow_offline=False)
found = run.get_secrets(["api-key", "none"])
assert found["none"] is None
run.log("length", len(run.get_secret("api-key")) + len(found["api-key"]))
"""


def test_a_submitted_script_gets_secrets_and_leaves_none(bench: Bench, tmp_path: Path, place: str) -> None:
    bench.workspace.get_default_keyvault().set_secret("api-key", CANARY)
    run = bench.submit(SCRIPT, compute_target=place)
    run.wait_for_completion()
    assert run.get_metrics() == {"length": 2.0 * len(CANARY)}
    assert CANARY not in str(run.get_details_with_logs())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_an_interpreter_that_cannot_open_secrets_says_what_to_install(bench: Bench, tmp_path: Path) -> None:
    bench.workspace.get_default_keyvault().set_secret("api-key", CANARY)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    environment = Environment("bare")
    environment.python.user_managed_dependencies = True
    environment.python.interpreter_path = str(tmp_path / "bare" / "bin" / "python")
    run = bench.submit(SCRIPT, environment=environment)
    run.wait_for_completion(raise_on_error=False)
    assert run.get_status() == "Failed"
    assert "add the pip package cryptography" in bench.printed(run)
