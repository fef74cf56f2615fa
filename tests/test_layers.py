"""The arrows between the rooms, and that `import runstone` is light."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.sources import PACKAGE, modules, tree

# What each room may import of ours; `runstone` itself, with its lazy names, is for users alone.
BASE = {"model", "journal", "store", "service"}
ARROWS = {
    "model": {"model"},
    "journal": {"model", "journal"},
    "store": {"model", "journal", "store"},
    "service": BASE,
    "exceptions": {"model"},
    "sdk": BASE | {"sdk"},
    "azureml": BASE | {"sdk", "azureml", "exceptions"},
    "notify": BASE | {"notify"},
    "launch": BASE | {"notify", "launch"},
    "server": BASE | {"notify", "server"},
    "cli": BASE | {"sdk", "azureml", "notify", "launch", "server", "cli", "exceptions"},
    "importers": BASE | {"sdk", "azureml", "notify", "launch", "server", "cli", "importers", "exceptions"},
}
# Modules at the top of the package that are no room: the lazy public names, and `python -m runstone`.
DOORS = {"runstone": set(ARROWS), "runstone.__main__": {"cli"}}
# What a training script touches: these rooms are on the standard library alone, and what these doors load,
# with what `runstone` names and imports on first use.
LIGHT_ROOMS = {"model", "journal", "exceptions"}
LIGHT_DOORS = {"runstone", "runstone.azureml", "runstone.service.connect"}
DRIVERS = {"sqlite3", "psycopg"}
FOR_ALL = {"runstone.__version__"}
HEAVY = {"starlette", "psycopg", "ray", "numpy", "click"}
MODULES_ALLOWED = 100
LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
OPEN = """
from runstone import Experiment, Workspace
workspace = Workspace.from_config()
with Experiment(workspace, "light").start_logging() as run:
    run.log("loss", 0.5)
assert workspace.get_run(run.id).status == "Completed"
"""


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def imports(module: str, *, at_import: bool = False) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import of a module, or of those that run when it is imported."""
    path = modules()[module]
    package = (module if path.name == "__init__.py" else module.rpartition(".")[0]).split(".")
    pending: list[ast.AST] = [tree(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*start, *filter(None, [node.module])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif not (at_import and (isinstance(node, LATER) or for_types(node))):
            pending.extend(ast.iter_child_nodes(node))


def for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


@cache
def edges() -> dict[str, set[str]]:
    """Which of our modules each of our modules loads when it is imported."""
    known = modules().keys()
    found: dict[str, set[str]] = {}
    for module in known:
        targets = {target for _, target in imports(module, at_import=True)}
        found[module] = (targets | {target.rpartition(".")[0] for target in targets}) & known - {module}
    return found


@cache
def foreign(module: str) -> frozenset[str]:
    """What a module loads at import that is neither ours nor the standard library's."""
    ours = sys.stdlib_module_names | {"runstone"}
    return frozenset({target.partition(".")[0] for _, target in imports(module, at_import=True)} - ours)


def loaded(then: str, where: Path) -> tuple[list[str], list[str]]:
    """What a process has loaded more than a bare Python after `import runstone`, and after `then`."""
    names = "sorted(set(sys.modules) - before)"
    code = f"import json, sys\nbefore = set(sys.modules)\nimport runstone\nfirst = {names}\n{then}\n"
    code += f"print(json.dumps([first, {names}]))"
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=where, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout.splitlines()[-1])
    return first, second


def test_every_module_stands_in_a_room_that_the_arrows_know():
    assert len(modules()) > 5
    assert [name for name in modules() if name not in DOORS and room(name) not in ARROWS] == []


def test_imports_between_rooms_point_one_way():
    ours = [
        (module, line, target)
        for module in modules()
        for line, target in imports(module)
        if (target == "runstone" or target.startswith("runstone.")) and target not in FOR_ALL
    ]
    assert ours
    assert [
        f"{module}:{line} imports {target}"
        for module, line, target in ours
        if room(target) not in (DOORS.get(module) or ARROWS[room(module)])
    ] == []


def test_only_the_store_knows_a_database():
    users = {
        room(module)
        for module in modules()
        for _, name in imports(module)
        if name.partition(".")[0] in DRIVERS
    }
    assert users <= {"store"}


def test_modules_do_not_import_one_another_in_a_circle():
    left = {module: targets - {module.rpartition(".")[0]} for module, targets in edges().items()}
    while ready := {module for module, targets in left.items() if not targets & left.keys()}:
        left = {module: targets for module, targets in left.items() if module not in ready}
    assert sorted(left) == []


def test_what_a_training_script_loads_is_the_standard_library_alone():
    doors = LIGHT_DOORS | {target.rpartition(".")[0] for _, target in imports("runstone")}
    pending = [module for module in modules() if module in doors or room(module) in LIGHT_ROOMS]
    assert "runstone" in pending
    reached: set[str] = set()
    while pending:
        module = pending.pop()
        reached.add(module)
        pending.extend(edges()[module] - reached)
    assert [f"{module} imports {name}" for module in sorted(reached) for name in foreign(module)] == []


def test_import_runstone_is_light(history: Path):
    added, _ = loaded("", history.parent)
    assert "runstone" in added
    assert len(added) <= MODULES_ALLOWED
    assert HEAVY & {name.partition(".")[0] for name in added} == set()


def test_opening_an_embedded_history_is_light(history: Path):
    there = "runstone.sdk.workspace" in modules()
    _, added = loaded(OPEN if there else "", history.parent)
    assert ("sqlite3" in added) is there
    assert HEAVY & {name.partition(".")[0] for name in added} == set()
