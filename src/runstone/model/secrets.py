"""Secrets of a workspace: their names, and never their values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runstone.model.errors import Invalid, TooLarge

# What the original says when nothing is said of the kind.
CONTENT_TYPE = "application/NotProvided"
VALUE = 64 * 1024

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_CONTENT_TYPE = re.compile(r"[\x20-\x7e]{0,255}")


@dataclass(frozen=True)
class SecretName:
    """What is told of a secret. ``changed`` is microseconds since 1970, UTC."""

    name: str
    content_type: str
    changed: int


def secret_name(value: object) -> str:
    """A secret's name: 1 to 127 letters of ASCII, digits and dashes."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        shown = repr(value) if len(repr(value)) <= 80 else f"a text of {len(repr(value)):,} characters"
        raise Invalid(f"A secret's name is 1 to 127 letters, digits and dashes; got {shown}.")
    return value


def secret_value(name: str, value: object) -> str:
    """A secret's value: a text of 64 KiB at most as UTF-8. No message of an error ever shows it."""
    if not isinstance(value, str):
        raise Invalid(f"The value of the secret {name!r} is a text; got a {type(value).__name__}.")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        # from None, and without the error's text: both would show the value
        raise Invalid(f"The value of the secret {name!r} is no text that UTF-8 can hold.") from None
    if size > VALUE:
        raise TooLarge(f"The secret {name!r} is over the size limit: Limit={VALUE:,} bytes, Size={size:,}.")
    return value


def content_type(value: object) -> str:
    """What a secret's value is, as ``text/plain``: 255 printable characters at most."""
    if not isinstance(value, str) or not _CONTENT_TYPE.fullmatch(value):
        raise Invalid("A content type is 255 printable characters at most, as 'text/plain'.")
    return value
