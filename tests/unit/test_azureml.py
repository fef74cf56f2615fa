"""The modules named azureml: what they have, what they do not have yet, and who comes first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import runstone.exceptions
from runstone.azureml.names import SERVED

SRC = Path(__file__).parents[2] / "src"
EXPRESSIONS = {
    *("choice", "lognormal", "loguniform", "normal", "qlognormal", "qloguniform", "qnormal", "quniform"),
    *("randint", "uniform"),
}
SAMPLINGS = {
    "BayesianParameterSampling",
    "GridParameterSampling",
    "HyperParameterSampling",
    "RandomParameterSampling",
}
POLICIES = {
    "BanditPolicy",
    "EarlyTerminationPolicy",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "TruncationSelectionPolicy",
}
CONTRACT: dict[str, set[str]] = {
    "azureml.core": {
        "CondaDependencies",
        "Environment",
        "Experiment",
        "Keyvault",
        "Model",
        "Run",
        "RunConfiguration",
        "ScriptRun",
        "ScriptRunConfig",
        "Dataset",
        "Datastore",
        "VERSION",
        "Workspace",
        "get_run",
        "ComputeTarget",
    },
    "azureml.core.conda_dependencies": {"CondaDependencies"},
    "azureml.core.script_run": {"ScriptRun"},
    "azureml.core.script_run_config": {"ScriptRunConfig", "get_run_config_from_script_run"},
    "azureml.core.dataset": {"Dataset"},
    "azureml.core.datastore": {"Datastore"},
    "azureml.core.experiment": {"Experiment"},
    "azureml.core.keyvault": {"KeyVaultContentType", "Keyvault"},
    "azureml.core.model": {"Model"},
    "azureml.data": {"DataType", "FileDataset", "OutputFileDatasetConfig", "TabularDataset"},
    "azureml.data.datapath": {"DataPath"},
    "azureml.core.run": {"Run", "get_run"},
    "azureml.core.workspace": {"Workspace"},
    "azureml.train.hyperdrive": {
        *EXPRESSIONS,
        *SAMPLINGS,
        *POLICIES,
        "HyperDriveConfig",
        "HyperDriveRun",
        "HyperDriveRunConfig",
        "PrimaryMetricGoal",
    },
    "azureml.train.hyperdrive.exceptions": {"HyperDriveException"},
    "azureml.train.hyperdrive.parameter_expressions": EXPRESSIONS,
    "azureml.train.hyperdrive.policy": POLICIES,
    "azureml.train.hyperdrive.run": {"HyperDriveRun", "PrimaryMetricGoal"},
    "azureml.train.hyperdrive.runconfig": {"HyperDriveConfig", "HyperDriveRunConfig", "PrimaryMetricGoal"},
    "azureml.train.hyperdrive.sampling": SAMPLINGS,
    "azureml.widgets": {"RunDetails"},
    "azureml.exceptions": set(runstone.exceptions.__all__) - {"RunstoneError"},
}


def run(code: str, *path: Path) -> str:
    """What a fresh interpreter prints: this one keeps the names to itself."""
    where = [str(SRC), *map(str, path)]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {where!r}\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def attempt(statement: str) -> str:
    return run(
        f"import runstone.azureml\ntry:\n    {statement}\n"
        "except ImportError as error:\n    print(type(error).__name__, error.name, error)"
    )


@pytest.mark.parametrize("module", CONTRACT)
def test_a_module_has_the_names_of_the_contract(module: str):
    code = f"import json, runstone.azureml, {module} as m\nprint(json.dumps([m.__all__, dir(m), m.__name__]))"
    names, listed, name = json.loads(run(code))
    assert set(names) == CONTRACT[module]
    assert set(names) <= set(listed)
    assert name == module


def test_a_module_is_an_attribute_of_the_one_above_it():
    code = "import runstone.azureml, azureml.core.run\nprint(azureml.exceptions.UserErrorException.__name__)"
    assert run(code) == "UserErrorException"


def test_every_name_that_is_served_is_there():
    statements = [f"from {module} import {name}" for module in SERVED for name in SERVED[module]]
    assert run("import runstone.azureml\n" + "\n".join(statements) + "\nprint('all')") == "all"


def test_names_are_those_of_runstone_and_loaded_late():
    code = "import runstone, runstone.azureml, azureml.core.run\nprint('runstone.sdk.run' in sys.modules)\n"
    code += "print(azureml.core.Run is azureml.core.run.Run is runstone.Run)"
    assert run(code).split() == ["False", "True"]


def test_a_star_import_brings_the_public_names():
    code = (
        "import runstone.azureml\nfrom azureml.core.run import *\nprint(sorted(n for n in globals() if n in "
    )
    code += "('Run', 'get_run', '_OfflineRun')))"
    assert run(code) == "['Run', 'get_run']"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("import azureml.pipeline.core", "azureml.pipeline"),
        ("from azureml.opendatasets import MNIST", "azureml.opendatasets"),
        ("import azureml._base_sdk_common", "azureml._base_sdk_common"),
    ],
)
def test_a_name_that_nobody_promised_is_no_module(statement: str, name: str):
    said = attempt(statement)
    assert said.startswith(f"ModuleNotFoundError {name} ")
    assert f"has nothing of the name {name}" in said


def test_a_wrong_name_is_the_usual_error():
    assert attempt("from azureml.core import Rum").startswith(
        "ImportError azureml.core cannot import name 'Rum'"
    )
    assert run("import runstone.azureml, azureml.core\nprint(hasattr(azureml.core, 'Rum'))") == "False"


def test_the_names_are_served_only_when_they_are_asked_for():
    assert (
        run("import runstone, runstone.exceptions\nprint([n for n in sys.modules if 'azureml' in n])") == "[]"
    )


def test_ours_comes_first_once_it_is_asked_for(tmp_path: Path):
    theirs = tmp_path / "azureml"
    theirs.mkdir()
    (theirs / "__init__.py").write_text("THEIRS = True\n", encoding="utf-8")
    assert run("import azureml\nprint(azureml.THEIRS)", tmp_path) == "True"
    code = "import runstone.azureml, azureml\nprint(hasattr(azureml, 'THEIRS'))"
    assert run(code, tmp_path) == "False"


def test_two_kinds_of_classes_are_never_mixed(tmp_path: Path):
    (tmp_path / "azureml").mkdir()
    (tmp_path / "azureml" / "__init__.py").write_text("", encoding="utf-8")
    code = "import azureml\ntry:\n    import runstone.azureml\nexcept ImportError as error:\n    print(error)"
    said = run(code, tmp_path)
    assert "azureml of an installed Azure package is loaded already" in said
    assert "before the first import of azureml" in said


def test_importing_it_twice_is_harmless():
    code = (
        "import importlib, runstone.azureml\nfrom runstone.azureml.finder import Served, install\ninstall()\n"
    )
    code += "print(sum(isinstance(finder, Served) for finder in sys.meta_path))"
    assert run(code) == "1"


def test_the_version_is_the_originals_with_the_truth_behind_it():
    code = "import runstone, runstone.azureml, azureml.core\n"
    code += (
        "print(azureml.core.VERSION == azureml.core.__version__ == f'1.61.0+runstone.{runstone.__version__}')"
    )
    assert run(code) == "True"


def test_an_error_of_runstone_is_an_error_of_the_original():
    code = "import runstone.azureml\nfrom azureml.exceptions import AzureMLException, UserErrorException\n"
    code += "from runstone import Workspace\ntry:\n    Workspace.from_config('/nowhere/at/all')\n"
    code += "except UserErrorException as error:\n    print(isinstance(error, AzureMLException))"
    assert run(code) == "True"
