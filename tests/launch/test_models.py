"""Models that submitted scripts register, and use."""

from __future__ import annotations

from pathlib import Path

from runstone import Model
from tests.launch.conftest import Bench

TRAIN = """
import os
from azureml.core import Run
run = Run.get_context(allow_offline=False)
os.makedirs("outputs")
with open("outputs/model.pkl", "w") as file:
    file.write("weights")
run.upload_file("outputs/early.pkl", "outputs/model.pkl")
model = run.register_model(model_name="early", model_path="outputs/early.pkl", tags={"area": "digits"})
print(model.name, model.id, model.version, sep=" ")
"""
SCORE = """
from azureml.core import Run
from azureml.core.model import Model
run = Run.get_context(allow_offline=False)
with open(Model.get_model_path("trained", _workspace=run.experiment.workspace)) as file:
    print(file.read())
"""


def test_a_script_registers_what_it_has_uploaded_and_others_its_outputs(bench: Bench, tmp_path: Path) -> None:
    run = bench.submit(TRAIN)
    run.wait_for_completion()
    assert bench.printed(run) == "early early:1 1\n"
    assert Model(bench.workspace, "early").run == run
    trained = run.register_model("trained", "outputs/model.pkl")
    assert Path(trained.download(tmp_path / "back")).read_text() == "weights"
    using = bench.submit(SCORE)
    using.wait_for_completion()
    assert bench.printed(using) == "weights\n"
