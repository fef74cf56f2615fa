"""A filter's text as tokens: strings, names in back quotes, operators, parentheses, and words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from runstone.model.errors import FilterError

BYTES = 4096

# A word is whatever has no white space, quote, parenthesis, comma or operator: metrics.loss/train, -1e-3,
# error:700 and, with its apostrophe, can't.
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<name>`(?:[^`]|``)*`)
    | (?P<op><=|>=|!=|==|=|<|>)
    | (?P<open>\() | (?P<close>\)) | (?P<comma>,)
    | (?P<word>(?:[^\s()'"`,=<>!] | !(?!=) | (?<=\w)'(?=(?:s|t|d|m|re|ve|ll)(?![\w'])))+)""",
    re.VERBOSE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Token:
    """One piece: ``text`` without its quotes, from ``start`` to ``end`` of the filter."""

    kind: str
    text: str
    start: int
    end: int

    def word(self, *texts: str) -> bool:
        """Whether this is one of these key words, in any case."""
        return self.kind == "word" and self.text.lower() in texts


def tokens(text: str) -> list[Token]:
    """The tokens of a text, the last one of the kind "end"; FilterError where a quote is never closed."""
    text = _checked(text)
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise wrong(at, f"the quote {text[at]} is never closed")
        if match.lastgroup != "space":
            found.append(_token(match))
        at = match.end()
    found.append(Token("end", "", len(text), len(text)))
    return found


def wrong(at: int, what: str) -> FilterError:
    """The error for position ``at`` (from 0; people count from 1)."""
    return FilterError(f"at {at + 1}: {what}", at)


def _checked(text: str) -> str:
    if not isinstance(text, str):
        raise FilterError(f'a filter is a text, like "metrics.acc > 0.9"; got {type(text).__name__}', 0)
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    if size > BYTES:
        raise wrong(min(len(text), BYTES), f"a filter holds at most {BYTES:,} bytes; this one has {size:,}")
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    control = _CONTROL.search(text)
    if control:
        raise wrong(
            control.start(), f"the control character U+{ord(control[0]):04X} is in no text; remove it"
        )
    return text


def _token(match: re.Match[str]) -> Token:
    kind = str(match.lastgroup)
    text = match[0]
    if kind in ("string", "name"):
        text = text[1:-1].replace(text[0] * 2, text[0])
    if kind == "op" and text == "==":
        text = "="
    return Token(kind, text, match.start(), match.end())
