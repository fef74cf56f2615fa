"""What is public is documented, and what the documentation shows is run."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from runstone.model.query.fields import ATTRIBUTES, GROUPS, REDUCERS
from scripts.reference import commands, members, pages, public_classes, resources
from tests.page import Block, blocks
from tests.sources import PACKAGE, ROOT, modules, shown, tracked, tree

PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *tracked("docs/*.md")]
SETTING = re.compile(r"RUNSTONE_[A-Z_]*[A-Z]")
# Not settings for a person: how Runstone's own processes and tests talk to each other.
INTERNAL: set[str] = {"RUNSTONE_CONTEXT_RUN", "RUNSTONE_DRILL", "RUNSTONE_COMPLETE"}
PAGE = """
Read.

```python
answer = 42
```

- in a list

  ```python title="said.py"
  print("said")
  ```

```text
not run
```

```console
$ echo shown
shown
```
"""


def hand_written() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in tracked("docs/*.md"))


def public_definitions(path: Path) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    """The public classes of a module and their public methods, but not the variants of an overload."""
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            yield from ((f"{node.name}.{part.name}", part) for part in node.body if is_public_method(part))


def is_public_method(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not repeated(node)


def repeated(node: ast.FunctionDef) -> bool:
    """A variant of an overload, or the setter of a property that its getter documents."""
    return any(
        ast.unparse(each).endswith(("overload", ".setter", ".deleter")) for each in node.decorator_list
    )


def undocumented(path: Path) -> list[str]:
    return [f"{shown(path)} {name}" for name, node in public_definitions(path) if not ast.get_docstring(node)]


def example(page: Path, where: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "RUNSTONE_HOME": str(where / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONWARNINGS": "error",
    }
    return subprocess.run(
        [sys.executable, ROOT / "tests" / "page.py", page],
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_public_classes_and_methods_say_what_they_promise():
    paths = [path for name, path in modules().items() if not name.rpartition(".")[2].startswith("_")]
    assert sum(1 for path in paths for _ in public_definitions(path)) > 10
    rooms = [path for path in paths if path.is_relative_to(PACKAGE / "sdk") or "service" in path.parts]
    classes = [path for path in paths if path not in rooms]
    missing = [each for path in rooms for each in undocumented(path)]
    missing += [each for path in classes for each in undocumented(path) if "." not in each.rpartition(" ")[2]]
    assert missing == []


def test_every_public_name_has_its_place_in_the_reference():
    classes = public_classes()
    assert classes.keys() >= {"Workspace", "Experiment", "Run"}
    page = pages()["reference/sdk.md"]
    for name, cls in classes.items():
        assert f"## {name}\n" in page
        assert [
            member for member, _ in members(cls) if member != "__init__" and f"{name}.{member}\n" not in page
        ] == []


def test_every_operation_has_its_place_in_the_reference():
    page = pages()["reference/operations.md"]
    declared = set(re.findall(r'@operation\("([^"]+)"\)', "".join(path.read_text() for path in service())))
    assert declared
    assert resources()
    assert [route for route in sorted(declared) if f"`{route}`" not in page] == []


def service() -> list[Path]:
    return [
        path
        for name, path in modules().items()
        if name.startswith("runstone.service.") and "operation" not in name
    ]


def test_every_command_says_what_it_does():
    found = commands()
    assert found
    page = pages()["reference/commands.md"]
    assert [words for words in found if f"## {words}\n" not in page] == []
    assert [words for words, command in found.items() if not (command.help or "").strip()] == []


def test_every_word_of_the_filter_language_is_explained():
    text = hand_written()
    words = {*ATTRIBUTES, *GROUPS, *REDUCERS}
    assert len(words) > 10
    assert [word for word in sorted(words) if f"`{word}" not in text and f".{word}`" not in text] == []


def test_every_setting_is_explained():
    used = {name for path in modules().values() for name in SETTING.findall(path.read_text(encoding="utf-8"))}
    text = hand_written()
    assert [name for name in sorted(used - INTERNAL) if name not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path):
    done = example(page, tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ examples$", done.stdout, re.M), done.stdout


def test_pages_are_found_and_some_have_examples():
    assert ROOT / "docs" / "index.md" in PAGES
    assert any(block.kind == "python" for page in PAGES for block in blocks(page.read_text(encoding="utf-8")))


def test_a_page_is_read_as_its_blocks(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    assert list(blocks(PAGE))[:2] == [
        Block("python", "", 5, "answer = 42\n"),
        Block("python", "said.py", 11, 'print("said")\n'),
    ]
    done = example(page, tmp_path)
    assert (done.returncode, done.stdout) == (0, "shown\n3 examples\n")
    assert (tmp_path / "said.py").read_text() == 'print("said")\n'


@pytest.mark.parametrize(
    "wrong", ["assert answer == 43", "```\n```console\n$ false"], ids=["python", "console"]
)
def test_an_example_that_fails_is_a_failure(wrong: str, tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("answer = 42", f"answer = 42\n{wrong}"), encoding="utf-8")
    assert example(page, tmp_path).returncode != 0


def test_the_site_builds_without_warnings(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "reference" / "sdk.html").exists()
    assert [page.name for page in tmp_path.rglob("*.html") if "```" in page.read_text(encoding="utf-8")] == []
