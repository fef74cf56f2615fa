"""The key that seals secrets, in a file of its own beside every history: without it they cannot be read."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runstone.model.errors import Invalid, Unreadable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE = "secrets.key"
_SIZE = 32
_NONCE = 12


class Key:
    """A key of 256 bits for AES-GCM. ``id`` names it, and tells nothing of it."""

    def __init__(self, raw: bytes, path: Path) -> None:
        self.id = hashlib.sha256(b"runstone key " + raw).hexdigest()[:16]
        self.path = path
        self._cipher = _aesgcm()(raw)

    def seal(self, text: str, *, place: str) -> str:
        """The text, encrypted for a place: moved to another one, it cannot be opened."""
        nonce = os.urandom(_NONCE)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())).decode()

    def open(self, sealed: str, *, place: str) -> str:
        """The text again; Unreadable when it was changed, or is of another key or place."""
        from cryptography.exceptions import InvalidTag  # the extra is there: `_aesgcm` has found it

        with suppress(InvalidTag, ValueError):
            raw = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], place.encode()).decode()
        raise Unreadable(
            f"The secret {place.rpartition('/')[2]!r} cannot be opened with the key in {self.path}: its "
            f"stored bytes are damaged. Set it again."
        )

    def __repr__(self) -> str:
        return f"Key({self.id})"


def read(home: Path) -> Key | None:
    """The key of a home directory; None when it has none. Refused is a file that others can read."""
    path = home / FILE
    with _told(path):
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with open(file, "rb") as stream:
            mode = os.fstat(file).st_mode
            raw = stream.read(4 * _SIZE)
    if stat.S_IMODE(mode) & 0o077:
        raise Invalid(
            f"The key {path} can be read by others (mode {stat.S_IMODE(mode):04o}): `chmod 600` it, and "
            f"set the secrets anew if somebody may have seen it."
        )
    with suppress(ValueError):
        key = base64.b64decode(raw.strip(), validate=True)
        if len(key) == _SIZE:
            return Key(key, path)
    raise Invalid(f"{path} is no key of Runstone: put the right file back, or move it away for a new one.")


def make(home: Path) -> Key:
    """The key of a home directory, made now unless another process is quicker; forced to the disk."""
    path = home / FILE
    aside = home / f".{FILE}.{uuid.uuid4().hex}"
    _aesgcm()
    with _told(path):
        home.mkdir(parents=True, exist_ok=True)
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(file, "wb") as stream:
                stream.write(base64.b64encode(secrets.token_bytes(_SIZE)) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            # whole or not at all, and never over another one
            with suppress(FileExistsError):
                os.link(aside, path)
        finally:
            aside.unlink()
    found = read(home)
    if found is None:
        raise Invalid(f"The key {path} went away while it was being made; try again.")
    return found


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Invalid(
            f"The key {path} cannot be read or made ({error.strerror}); RUNSTONE_HOME says where it is."
        ) from None


def _aesgcm() -> type[AESGCM]:
    try:
        # an extra: only those who keep secrets need it
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise Invalid(
            "Secrets are sealed with the package cryptography, which this interpreter does not have: "
            "`pip install runstone[secrets]`. For a submitted script, add the pip package cryptography to "
            "its environment."
        ) from None
    return AESGCM
