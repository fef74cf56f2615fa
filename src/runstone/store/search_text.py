"""Patterns and words as each database matches them: the same answer on both, case by case."""

from __future__ import annotations

import re
from typing import TypeAlias

from runstone.store.texts import CJK

# A character that people rarely write, so that few patterns need it doubled.
ESCAPE = "~"
TRIGRAM = 3

# What % and _ stand for; a letter stands for itself.
_ANY, _ONE = object(), object()
_Piece: TypeAlias = str | object


def pattern(op: str, text: str, *, dialect: str) -> tuple[str, str]:
    """SQL that tests ``{e}`` against ``{p}``, and the pattern to bind as ``{p}``.

    op: like (minds case), ilike, contains, startswith (do not).
    """
    pieces = _pieces(op, text)
    if dialect == "postgres":
        return f"{{e}} {'LIKE' if op == 'like' else 'ILIKE'} {{p}} ESCAPE '{ESCAPE}'", _like(pieces)
    if op != "like" and all(_plain(piece) for piece in pieces):
        return f"{{e}} LIKE {{p}} ESCAPE '{ESCAPE}'", _like(pieces)
    # SQLite's LIKE knows no case but that of ASCII, and always ignores that one
    return "{e} GLOB {p}", _glob(pieces, fold=op != "like")


def phrases(words: tuple[str, ...]) -> tuple[str, str]:
    """What to ask the trigram index and the index of CJK pairs for; empty where an index cannot help."""
    long = [word for word in words if len(word) >= TRIGRAM]
    pairs = [
        word for word in words if len(word) == TRIGRAM - 1 and re.fullmatch(CJK, word) and word.isalpha()
    ]
    return " ".join(map(_phrase, long)), " ".join(map(_phrase, pairs))


def _phrase(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _pieces(op: str, text: str) -> list[_Piece]:
    if op in ("contains", "startswith"):
        return [*([_ANY] if op == "contains" else []), *text, _ANY]
    return [{"%": _ANY, "_": _ONE}.get(letter, letter) for letter in text]


def _plain(piece: _Piece) -> bool:
    return not isinstance(piece, str) or piece.isascii() or piece.lower() == piece.upper()


def _like(pieces: list[_Piece]) -> str:
    return "".join(
        "%" if piece is _ANY else "_" if piece is _ONE else _escaped(str(piece)) for piece in pieces
    )


def _escaped(letter: str) -> str:
    return ESCAPE + letter if letter in ("%", "_", ESCAPE) else letter


def _glob(pieces: list[_Piece], *, fold: bool) -> str:
    return "".join(
        "*" if piece is _ANY else "?" if piece is _ONE else _class(str(piece), fold=fold) for piece in pieces
    )


def _class(letter: str, *, fold: bool) -> str:
    forms = {letter, *(form for form in (letter.lower(), letter.upper()) if fold and len(form) == 1)}
    if len(forms) > 1:
        return f"[{''.join(sorted(forms))}]"
    return f"[{letter}]" if letter in "*?[" else letter
