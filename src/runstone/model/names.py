"""Names and limits: what a key, a value, an artifact or an experiment may be called, and how long it may be."""

from __future__ import annotations

import re
import unicodedata

from runstone.model.errors import Invalid

METRIC_NAME = 1024
KEY = 250
VALUE = 5_000
DISPLAY_NAME = 1_024
DESCRIPTION = 64 * 1024
ERROR_MESSAGE = 16 * 1024
RUN_ID = 256
ARTIFACT_NAME = 5_000

_EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,31}")
# NUL and the other C0 controls: PostgreSQL text cannot hold the first, no name needs the rest.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAME_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")


def experiment_name(name: str) -> str:
    """The name, or Invalid: 1 to 255 characters, a letter or digit first, then those, ``-`` and ``_``."""
    if isinstance(name, str) and _EXPERIMENT.fullmatch(name):
        return name
    raise Invalid(
        f"Experiment name must be between 1 and 255 characters long. Its first character has to be a letter or a "
        f"digit, the rest letters, digits, hyphens and underscores; got {_shown(name)}."
    )


def workspace_name(name: str) -> str:
    """The name, or Invalid: 2 to 32 characters, a letter or digit first, then those, ``-`` and ``_``."""
    if isinstance(name, str) and _WORKSPACE.fullmatch(name):
        return name
    raise Invalid(
        f"Workspace name must be 2 to 32 characters long: a letter or a digit first, then letters, digits, '-' and "
        f"'_'; got {_shown(name)}."
    )


def run_id(value: str) -> str:
    """A run id given by a caller: 1 to 256 printable characters, no white space, no slash."""
    if not isinstance(value, str) or not value:
        raise Invalid(f"A run id is a text of 1 to {RUN_ID} characters; got {_shown(value)}.")
    value = clean(value, "run id", RUN_ID, name=True)
    if re.search(r"[\s/\\]", value):
        raise Invalid(f"A run id holds no white space and no slash; got {_shown(value)}.")
    return value


def key(value: object, what: str) -> str:
    """A tag, property or parameter key: 1 to 250 characters."""
    text = clean(str(value), what, KEY, name=True)
    if not text:
        raise Invalid(f"An empty {what} names nothing; give it 1 to {KEY} characters.")
    return text


def metric_name(value: object) -> str:
    """A metric's name: 1 to 1,024 characters, kept as it is, white space at its ends included."""
    text = clean(str(value), "metric name", METRIC_NAME, name=True)
    if not text:
        raise Invalid(f"An empty metric name names nothing; give it 1 to {METRIC_NAME} characters.")
    return text


def clean(text: str, what: str, limit: int, *, name: bool = False) -> str:
    """Text as it is stored: NFC, lone surrogates replaced, no control characters, at most ``limit`` characters."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    if len(text) > limit:
        raise Invalid(f"The {what} is over the size limit: Limit={limit:,} characters, Size={len(text):,}.")
    found = (_NAME_CONTROL if name else _CONTROL).search(text)
    if found:
        raise Invalid(
            f"The {what} holds the control character U+{ord(found[0]):04X} at {found.start()}; remove it: "
            f"{_shown(text)}."
        )
    return text


def artifact_name(value: str) -> str:
    """An artifact's name as data: NFC, ``/`` between parts, nothing that any system could take for a way out.

    ``./outputs/x`` is ``outputs/x``. Refused are empty names, ``..`` in any spelling, absolute names, drive letters,
    back slashes, ``~``, control characters, names that Windows reserves, and parts that end in a dot or a space.
    """
    if not isinstance(value, str):
        raise Invalid(f"An artifact name is a text; got {_shown(value)}.")
    text = clean(value, "artifact name", ARTIFACT_NAME, name=True)
    parts = [part for part in text.split("/") if part != "."]
    if text.startswith("/") or not parts or parts == [""]:
        raise Invalid(f"An artifact name is relative, like 'outputs/model.pkl'; got {_shown(value)}.")
    for part in parts:
        wrong = _wrong_part(part)
        if wrong:
            raise Invalid(f"The artifact name {_shown(value)} is refused: {wrong}.")
    return "/".join(parts)


def _wrong_part(part: str) -> str | None:
    if not part:
        return "it has an empty part ('//' or a slash at its end)"
    if "\\" in part or _DRIVE.match(part):
        return "back slashes and drive letters are not part of a name"
    if "%" in part and re.search(r"%(2e|2f|5c|00|25)", part, re.IGNORECASE):
        return "it holds an encoded dot, slash or per cent sign"
    stem = part.split(";")[0]
    if stem in ("..", "."):
        return "'..' leads out of the run"
    if part.startswith("~"):
        return "'~' at the beginning of a part means a home directory"
    if part[-1] in ". ":
        return "a part may not end in a dot or a space"
    if part.split(".")[0].upper() in _RESERVED:
        return f"{part!r} is a device name on Windows"
    return None


_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
