"""The limits of the style, held over every file; an exception stands in ALLOWED with its reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources import PACKAGE, ROOT, shown, tracked, tree

FUNCTION_LINES = 40
MODULE_LINES = 400
PUBLIC_METHODS = 20
PARAMETERS = 6
POSITIONAL = 2
NESTING = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef
# (rule, place) -> why this one may. An entry that is no longer needed fails.
ALLOWED: dict[tuple[str, str], str] = {
    ("parameters", "src/runstone/server/access.py Gate.__call__"): "the three arguments that ASGI fixes",
    ("parameters", "src/runstone/model/errors.py AzureMLException.__init__"): "the contract fixes it",
    ("reflection", "src/runstone/service/operation.py"): "derives from our own classes, before any request",
    (
        "catch",
        "src/runstone/journal/values.py",
    ): "a logged object may raise anything when it is asked for its number",
    ("catch", "src/runstone/server/answers.py"): "the outermost edge of a server: the trace goes to its log",
    (
        "catch",
        "src/runstone/cli/commands.py",
    ): "the outermost edge: people get one line, the trace by --debug",
    ("catch", "src/runstone/journal/writer.py"): "logging outlives whatever the environment does to it",
    ("catch", "src/runstone/journal/delivery.py"): "a shipper outlives every error of a history",
    ("catch", "src/runstone/sdk/capture/sampling.py"): "the sampler outlives a sample that fails",
    ("catch", "src/runstone/launch/agent.py"): "the agent outlives a step that fails",
}

BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
VAGUE = re.compile(
    r"(Manager|Helper|Handler|Utils?|Mixin)$|^(utils?|helpers?)$|_(utils?|helpers?|manager|handler)$"
)
DOORS = {"Transaction", "Database"}
# Public signatures in these rooms are those of Azure ML SDK v1.
FIXED_ROOMS = ("src/runstone/sdk/", "src/runstone/azureml/")
GUARDED_ROOMS = ("src/runstone/service/", "src/runstone/store/", "src/runstone/server/")
DANGEROUS_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
}
DANGEROUS_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\s", re.S
)
# Written in two parts, so that this file does not say what it forbids.
PROMISES = re.compile("|".join(rf"\b{a}{b}\b" for a, b in [("TO", "DO"), ("FIX", "ME"), ("XX", "X")]))
UNKEPT = re.compile("NotImplemented" + "Error|pragma: no " + "cover")
HOSTS = re.compile(
    "|".join(
        f"{a}{b}"
        for a, b in [
            ("py", r"pi\.org"),
            ("python", r"hosted\.org"),
            ("npm", r"js\.(org|com)"),
            ("deb", r"ian\.(org|net)"),
            ("ubuntu", r"\.com"),
            ("crates", r"\.io"),
            ("conda", r"\.anaconda"),
            ("docker", r"\.io"),
        ]
    )
)
MACHINE = re.compile(
    r"(?<![\w.~)}\]-])/(work|root|opt/" + "wheels|opt/py" + r"pi[\w-]*|home/\w+|tmp/" + r"rs)(/|\b(?![\w.-]))"
)
AVOIDED = re.compile(
    r"pytest\.(mark\.)?(skip|xfail|importor"
    + r"skip)|unittest\.(mo"
    + r"ck|skip)|from unittest import mo"
    + "ck"
)


def places(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Each class and function of a file, named from the outermost in."""
    pending: list[tuple[str, ast.AST]] = [("", tree(path))]
    while pending:
        outer, node = pending.pop()
        for child in ast.iter_child_nodes(node):
            name = outer
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{outer}.{child.name}".lstrip(".")
                yield f"{shown(path)} {name}", child
            pending.append((name, child))


def code() -> list[Path]:
    return list(tracked("*.py"))


def source() -> list[Path]:
    return [path for path in code() if path.is_relative_to(PACKAGE)]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def functions(paths: list[Path]) -> Iterator[tuple[str, Function]]:
    for path in paths:
        for place, node in places(path):
            if isinstance(node, Function):
                yield place, node


def long_modules() -> Iterator[tuple[str, str]]:
    for path in code():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES:
            yield shown(path), f"{lines} lines"


def long_functions() -> Iterator[tuple[str, str]]:
    for place, node in functions(code()):
        last = node.end_lineno or node.lineno
        lines = last - node.lineno + 1
        if ast.get_docstring(node):
            lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        if lines > FUNCTION_LINES:
            yield place, f"{lines} lines beside its docstring"


def wide_classes() -> Iterator[tuple[str, str]]:
    classes = [found for path in source() for found in places(path) if isinstance(found[1], ast.ClassDef)]
    for place, node in classes:
        names = {part.name for part in ast.iter_child_nodes(node) if isinstance(part, Function)}
        public = sum(not name.startswith("_") for name in names)
        if public > PUBLIC_METHODS:
            yield place, f"{public} public methods"


def many_parameters() -> Iterator[tuple[str, str]]:
    for place, node in functions([path for path in code() if not shown(path).startswith("tests/")]):
        if fixed(place, node.name):
            continue
        positional = node.args.posonlyargs + node.args.args
        if positional and is_door(positional[0]):
            positional = positional[1:]
        total = len(positional) + len(node.args.kwonlyargs)
        by_name = node.name.startswith("_") and not node.name.startswith("__")  # its callers stand beside it
        if total > PARAMETERS or (len(positional) > POSITIONAL and not by_name):
            yield place, f"{total} parameters, {len(positional)} of them positional"


def fixed(place: str, name: str) -> bool:
    """Whether somebody else decided the signature: the contract, or Python for its own protocols."""
    mine = name in {"__init__", "__new__", "__call__"}
    contract = place.startswith(FIXED_ROOMS) and (mine or not name.startswith("_"))
    return contract or (name.startswith("__") and not mine)


def is_door(argument: ast.arg) -> bool:
    """What a function works upon comes first and is not counted: self, or the transaction handed to it."""
    said = ast.unparse(argument.annotation) if argument.annotation else ""
    return argument.arg in {"self", "cls"} or said in DOORS


def deep_functions() -> Iterator[tuple[str, str]]:
    for place, node in functions(code()):
        depth = nesting(node)
        if depth > NESTING:
            yield place, f"nested {depth} deep"


def nesting(node: ast.AST) -> int:
    """How many blocks stand in one another; an `elif` is no deeper than its `if`, a function starts anew."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        chained = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        step = 1 if isinstance(child, BLOCKS) and not chained else 0
        deepest = max(deepest, step + nesting(child))
    return deepest


def vague_names() -> Iterator[tuple[str, str]]:
    for path in source():
        if VAGUE.search(path.stem):
            yield shown(path), "says nothing"
        for place, node in places(path):
            name = getattr(node, "name", "")
            if VAGUE.search(name):
                yield place, "says nothing"


def catch_alls() -> Iterator[tuple[str, str]]:
    for path in code():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and catches_all(node) and not raises_again(node):
                yield shown(path), f"line {node.lineno} catches everything"


def catches_all(node: ast.ExceptHandler) -> bool:
    caught = ast.unparse(node.type) if node.type else "BaseException"
    return bool({"Exception", "BaseException"} & set(re.findall(r"\w+", caught)))


def raises_again(node: ast.ExceptHandler) -> bool:
    """Whether it passes on what it caught; another error in its place is a decision that wants a reason."""
    last = node.body[-1]
    return isinstance(last, ast.Raise) and (last.exc is None or ast.unparse(last.exc) == node.name)


def modules_without_a_duty() -> Iterator[tuple[str, str]]:
    for path in code():
        said = ast.get_docstring(tree(path)) or ""
        if not said.splitlines() or not said.splitlines()[0].strip():
            yield shown(path), "has no docstring that says its duty"


def dangerous_calls() -> Iterator[tuple[str, str]]:
    for path in source():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in DANGEROUS_CALLS:
                yield shown(path), f"line {node.lineno} calls {ast.unparse(node.func)}"
            if isinstance(node, ast.keyword) and node.arg == "shell" and ast.unparse(node.value) != "False":
                yield shown(path), f"line {node.value.lineno} goes through a shell"


def dangerous_imports() -> Iterator[tuple[str, str]]:
    for path in source():
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.partition(".")[0] for name in names} & DANGEROUS_MODULES:
                yield shown(path), f"line {node.lineno} imports {name}"


def open_reflection() -> Iterator[tuple[str, str]]:
    """A name that comes from a variable may come from the network (FAULTS.md c12)."""
    for path in source():
        if not shown(path).startswith(GUARDED_ROOMS):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and reflects(node):
                yield shown(path), f"line {node.lineno}: {ast.unparse(node)}"


def reflects(node: ast.Call) -> bool:
    name = ast.unparse(node.func)
    if name in {"getattr", "setattr", "delattr"}:
        return len(node.args) < 2 or not isinstance(node.args[1], ast.Constant)
    return name in {"importlib.import_module", "import_module", "globals", "vars"}


def sql_elsewhere() -> Iterator[tuple[str, str]]:
    for path in source():
        if shown(path).startswith("src/runstone/store/"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
                yield shown(path), f"line {node.lineno} holds SQL"


def matching(pattern: re.Pattern[str], *, only: str = "") -> Iterator[tuple[str, str]]:
    for path, text in texts():
        for number, line in enumerate(text.splitlines(), 1):
            if shown(path).startswith(only) and (found := pattern.search(line)):
                yield shown(path), f"line {number} says {found.group().strip()!r}"


RULES: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "module": long_modules,
    "function": long_functions,
    "class": wide_classes,
    "parameters": many_parameters,
    "nesting": deep_functions,
    "name": vague_names,
    "catch": catch_alls,
    "reason": lambda: matching(re.compile(r"noqa: BLE001\s*$")),
    "duty": modules_without_a_duty,
    "danger": dangerous_calls,
    "pickle": dangerous_imports,
    "reflection": open_reflection,
    "sql": sql_elsewhere,
    "promise": lambda: matching(PROMISES),
    "unkept": lambda: matching(UNKEPT),
    "host": lambda: matching(HOSTS),
    "machine": lambda: matching(MACHINE),
    "avoided": lambda: matching(AVOIDED, only="tests/"),
    "address": lambda: matching(re.compile("://"), only="requirements/"),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_limit_holds(rule: str):
    broken = list(RULES[rule]())
    beyond = [f"{place}: {why}" for place, why in broken if (rule, place) not in ALLOWED]
    assert not beyond, "\n".join(["beyond the limit:", *beyond])
    stale = [place for name, place in ALLOWED if name == rule and place not in {place for place, _ in broken}]
    assert stale == []


def test_every_exception_has_a_rule_and_a_reason():
    assert [key for key, reason in ALLOWED.items() if key[0] not in RULES or len(reason.split()) < 3] == []


def test_the_files_are_found():
    assert PACKAGE / "__init__.py" in source()
    assert ROOT / "Makefile" in dict(texts())
    assert len(source()) > 5
    assert len(list(functions(code()))) > 50


BAD = """
class RunManager:
    def one(self, a, b, c):
        try:
            for _ in a:
                if b:
                    with c:
                        eval(a)
                elif c:
                    pass
        except Exception:
            pass
    async def two(self):
        try:
            pass
        except (ValueError, BaseException):
            raise
"""


def test_the_rules_can_fail():
    """A rule that finds nothing in bad code would be worth nothing."""
    module = ast.parse(BAD)
    one, two = (node for node in ast.walk(module) if isinstance(node, Function))
    catching, again = (node for node in ast.walk(module) if isinstance(node, ast.ExceptHandler))
    assert (nesting(one), nesting(two)) == (4, 1)
    assert (catches_all(catching), raises_again(catching)) == (True, False)
    assert (catches_all(again), raises_again(again)) == (True, True)
    assert VAGUE.search("RunManager")
    assert not VAGUE.search("Run")
    assert MACHINE.search("see " + "/wo" + "rk/main")
    assert not MACHINE.search("a/work/b and ~/work/c")
    assert SQL.search("\n  SELECT a\n FROM b ")
