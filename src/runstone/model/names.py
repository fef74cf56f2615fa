"""Names and limits: what a key, a value, an artifact or an experiment is called, and how long it may be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from runstone.model.errors import Invalid

METRIC_NAME = 1024
KEY = 250
VALUE = 5_000
DISPLAY_NAME = 1_024
DESCRIPTION = 64 * 1024
ERROR_MESSAGE = 16 * 1024
# An error with all that belongs to it, as JSON.
ERROR = 512 * 1024
RUN_ID = 256
ARTIFACT_NAME = 5_000

_EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,31}")
# NUL and the other C0 controls: PostgreSQL text cannot hold the first, no name needs the rest.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAME_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# %2e, %2E%2f, and the %u002e that some servers decode
_ENCODED = re.compile(r"%u([0-9a-fA-F]{4})|(?:%[0-9a-fA-F]{2})+")
_DECODINGS = 8
# UTF-8 that spells a character in more bytes than it needs, as Python escapes such bytes: how a dot or a
# slash is smuggled past a check
_OVERLONG = re.compile(r"[\udcc0\udcc1]|\udce0[\udc80-\udc9f]|\udcf0[\udc80-\udc8f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\xb9\xb2\xb3]) *([.:].*)?", re.I | re.S)


def experiment_name(name: str) -> str:
    """The name, or Invalid: 1 to 255 characters, a letter or digit first, then those, ``-`` and ``_``."""
    if isinstance(name, str) and _EXPERIMENT.fullmatch(name):
        return name
    raise Invalid(
        f"Experiment name must be between 1 and 255 characters long. Its first character has to be a letter "
        f"or a digit, the rest letters, digits, hyphens and underscores; got {_shown(name)}."
    )


def workspace_name(name: str) -> str:
    """The name, or Invalid: 2 to 32 characters, a letter or digit first, then those, ``-`` and ``_``."""
    if isinstance(name, str) and _WORKSPACE.fullmatch(name):
        return name
    raise Invalid(
        f"Workspace name must be 2 to 32 characters long: a letter or a digit first, then letters, digits, "
        f"'-' and '_'; got {_shown(name)}."
    )


def run_id(value: str) -> str:
    """A run id given by a caller: 1 to 256 printable characters, no white space, no slash."""
    if not isinstance(value, str) or not value:
        raise Invalid(f"A run id is a text of 1 to {RUN_ID} characters; got {_shown(value)}.")
    value = clean(value, "run id", limit=RUN_ID, name=True)
    if re.search(r"[\s/\\]", value) or not value.strip("."):
        raise Invalid(f"A run id holds no white space and no slash, and more than dots; got {_shown(value)}.")
    return value


def key(value: object, what: str) -> str:
    """A tag, property or parameter key: 1 to 250 characters."""
    text = clean(str(value), what, limit=KEY, name=True)
    if not text:
        raise Invalid(f"An empty {what} names nothing; give it 1 to {KEY} characters.")
    return text


def metric_name(value: object) -> str:
    """A metric's name: 1 to 1,024 characters, kept as it is, white space at its ends included."""
    text = clean(str(value), "metric name", limit=METRIC_NAME, name=True)
    if not text:
        raise Invalid(f"An empty metric name names nothing; give it 1 to {METRIC_NAME} characters.")
    return text


def clean(text: str, what: str, *, limit: int, name: bool = False) -> str:
    """Text as it is stored: NFC, no lone surrogates or control characters, ``limit`` characters at most."""
    if not isinstance(text, str):
        raise Invalid(f"The {what} is a text; got {_shown(text)}.")
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


def sought(key: object) -> str:
    """A key as it would stand if it were kept, for those who look whether it is there."""
    text = str(key).encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFC", text).replace("\0", "\ufffd")


def artifact_name(value: str) -> str:
    """An artifact's name as data: NFC, ``/`` between parts, nothing that any system could take for a way out.

    ``./outputs/x``, ``outputs//x`` and ``outputs\\x`` are ``outputs/x``. Refused are what ``relative_name``
    refuses and a ``~`` at the beginning, also where only decoding (``%7e``) or folding would bring it about.
    """
    text = relative_name(value)
    if any(form.startswith("~") for form in _forms(text)):
        raise Invalid(f"The artifact name {_shown(value)} is refused: it begins with '~', a home directory.")
    return text


def folder_name(value: str) -> str:
    """The folder of artifacts that a prefix means, without a slash at its end; empty for all of them."""
    given = str(value).replace("\\", "/").rstrip("/")
    return "" if given in ("", ".") else artifact_name(given)


def relative_name(value: str) -> str:
    """A name that stays below any directory it is joined to, by the rules of POSIX and of Windows alike.

    Refused are empty and absolute names, parts like ``.``, ``..`` and ``..;x``, drive letters, control
    characters, overlong UTF-8, and what Windows cannot keep: devices, parts that end in a dot or a space.
    """
    if not isinstance(value, str):
        raise Invalid(f"An artifact name is a text, like 'outputs/model.pkl'; got {_shown(value)}.")
    text = _tidied(value) if len(value) <= ARTIFACT_NAME else value
    if len(text) > ARTIFACT_NAME:
        raise Invalid(
            f"The artifact name is over the size limit: Limit={ARTIFACT_NAME:,} characters, "
            f"Size={len(text):,}."
        )
    wrong = next(filter(None, map(_way_out, _forms(text))), None) or _unkeepable(text)
    if wrong:
        raise Invalid(f"The artifact name {_shown(value)} is refused: {wrong}.")
    return _SURROGATE.sub("\ufffd", text)


def _tidied(value: str) -> str:
    text = unicodedata.normalize("NFC", value).replace("\\", "/")
    while text.startswith("./"):
        text = text[2:].lstrip("/")
    return re.sub("(?<=[^/])//+", "/", text)


def _forms(text: str) -> Iterator[str]:
    """The text, and all that it becomes when somebody decodes it (however often) or folds look-alikes."""
    for _ in range(_DECODINGS):
        yield text
        yield unicodedata.normalize("NFKC", text)
        decoded = _ENCODED.sub(_decoded, text)
        if decoded == text:
            return
        text = decoded
    yield ".."  # encoded over and over: nobody means well by it


def _decoded(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogateescape")


def _way_out(text: str) -> str | None:
    found = _CONTROL_CHARACTER.search(text)
    if found:
        return f"it holds the control character U+{ord(found[0]):04X}, or stands for it"
    if _OVERLONG.search(text):
        return "it spells a character in more bytes of UTF-8 than it needs"
    parts = text.replace("\\", "/").split("/")
    if not parts[0]:
        return "it is empty or absolute; names are relative, like 'outputs/model.pkl'"
    for part in parts:
        stem = part.split(";")[0]
        if stem and not stem.strip(". "):
            return f"the part {_shown(part)} leads to another directory"
        if _DRIVE.match(part):
            return f"the part {_shown(part)} begins like a drive letter"
    return None


def _unkeepable(text: str) -> str | None:
    if text.endswith("/"):
        return "it ends in a slash; name a file, like 'outputs/model.pkl'"
    for part in text.split("/"):
        if part[-1] in ". ":
            return f"the part {_shown(part)} ends in a dot or a space, which Windows drops"
        if part[1:2] == ":":
            return f"Windows reads the beginning of {_shown(part)} as a drive"
        if _DEVICE.fullmatch(part):
            return f"{_shown(part)} is a device on Windows; choose another name"
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
