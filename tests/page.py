"""Runs the examples of a documentation page from top to bottom in one process: `python tests/page.py PAGE`.

A ``python`` block is run; with a title (```` ```python title="train.py" ````) it is written to that file.
Of a ``console`` block the lines that begin with ``$ `` are run by the shell and must succeed.
Other blocks are for reading.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\w*) *(?P<rest>.*)$")
TITLE = re.compile(r'title="(?P<name>[\w./-]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is, the line of its first line, and its text."""

    kind: str
    title: str
    line: int
    text: str


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order; one that is never closed is an error."""
    lines = page.splitlines()
    opened: tuple[int, re.Match[str]] | None = None
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if opened is None and fence:
            opened = number, fence
        elif opened is not None and fence and not fence["kind"]:
            start, first = opened
            title = TITLE.search(first["rest"])
            text = textwrap.dedent("\n".join(lines[start + 1 : number])) + "\n"
            yield Block(first["kind"], title["name"] if title else "", start + 2, text)
            opened = None
    if opened is not None:
        raise ValueError(f"the block that begins in line {opened[0] + 1} is never closed")


def run(path: Path) -> int:
    """Carry out a page's blocks in the current directory, and answer how many there were."""
    # as if the page were the script: what it defines is found where a script's own would be
    place = types.ModuleType("__main__")
    place.__file__ = str(path)
    sys.modules["__main__"] = place
    sys.argv = [str(path)]
    done = 0
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.kind == "python" and block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            # blank lines before it, so that a traceback names the line of the page
            code = compile("\n" * (block.line - 1) + block.text, str(path), "exec")
            exec(code, vars(place))
        elif block.kind == "console":
            shell(block)
        else:
            continue
        done += 1
    return done


def shell(block: Block) -> None:
    """Run the commands of a console block, and say which one failed."""
    for line in block.text.splitlines():
        if line.startswith("$ "):
            code = subprocess.run(line[2:], shell=True, check=False).returncode
            if code:
                sys.exit(f"line {block.line} ff.: {line[2:]!r} ended with {code}")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # what commands print stands in its place
    print(f"{run(Path(sys.argv[1]).resolve())} examples")
