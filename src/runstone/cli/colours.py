"""Colours, for a terminal alone, and for nobody who has asked for none (`NO_COLOR`)."""

from __future__ import annotations

import os
import re
import sys

OFF = "\x1b[0m"
RED, GREEN, YELLOW, BLUE, CYAN, GREY = (f"\x1b[{code}m" for code in (31, 32, 33, 34, 36, 90))

STATUSES = {
    "Completed": GREEN,
    "Failed": RED,
    "Canceled": YELLOW,
    "CancelRequested": YELLOW,
    "NotResponding": YELLOW,
    "Running": BLUE,
    "Finalizing": BLUE,
}
# Compiled by who wants colours. A text that is a key, another text, a word of JSON, a number.
_JSON = (
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=:)|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|\b(?P<word>true|false|null)\b|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
)
_YAML = r"(?m)^(?P<gap>\s*(?:- )*)(?P<key>[^\s:#'\"][^:]*)(?=:(?:\s|$))"
_PARTS = {"key": CYAN, "text": GREEN, "word": YELLOW, "number": YELLOW}


def wanted() -> bool:
    """Whether the standard output is a terminal that shows colours to somebody who wants them."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and sys.stdout.isatty()


def json(text: str) -> str:
    """JSON with its keys, texts, words and numbers told apart."""
    return re.sub(_JSON, lambda found: f"{_PARTS[found.lastgroup or 'key']}{found[0]}{OFF}", text)


def yaml(text: str) -> str:
    """YAML with its keys told from what they hold."""
    return re.sub(_YAML, lambda found: f"{found['gap']}{CYAN}{found['key']}{OFF}", text)


def status(text: str) -> str:
    """The name of a status, wherever spaces fill its column, in its colour."""
    colour = STATUSES.get(text.strip(), "")
    return f"{colour}{text}{OFF}" if colour else text
