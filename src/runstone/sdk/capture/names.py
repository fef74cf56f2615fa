"""Tells from the name of an option or variable, and from its value, whether the value is a secret."""

from __future__ import annotations

import math
import re
from collections import Counter

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TRAILING = frozenset({"value", "text", "string", "str", "plain", "hex", "b64", "base", "literal"})
_SURE_ENDINGS = (
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passcode",
    "pswd",
    "secret",
    "secrets",
    "authtoken",
    "accesstoken",
)
_TOKENS = frozenset({"token", "jwt", "pat", "bearer"})
# A tokenizer's tokens are no secrets: --pad-token "<pad>", max_token, stop_token.
_TOKENIZER = """
    pad eos bos unk unknown mask sep cls special stop start begin end eot image audio video next prev first
    last new max min num per prompt sentence word decoder encoder forced target source lang language boundary
"""
_TOKENIZER_WORDS = frozenset(_TOKENIZER.split())
_KEY_ENDINGS = (
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "accountkey",
    "authkey",
    "credential",
    "credentials",
    "creds",
)
_KEYS = """
    api access secret private account subscription storage shared master signing encryption encrypt service
    auth license ssh deploy app admin rsa aes hmac client
"""
_KEY_WORDS = frozenset(_KEYS.split())
_MAYBE = frozenset(
    {"key", "keys", "auth", "authorization", "sas", "sig", "signature", "cookie", "pin", "code"}
)
_PLAIN_VALUES = frozenset(
    {"", "none", "null", "nil", "true", "false", "yes", "no", "on", "off", "0", "1", "***"}
)
_FILE_ENDING = r"(?:pem|key|pub|crt|cer|p12|pfx|json|ya?ml|toml|ini|cfg|txt)"
_PATH = re.compile(
    rf"(?:~[\w-]*|\.{{1,2}})?[/\\][\w./\\ @:-]*|[A-Za-z]:[\\/].*|[\w./-]+\.{_FILE_ENDING}", re.ASCII
)
_PACKED = re.compile(r"[A-Za-z0-9+/=_.~%-]{16,}", re.ASCII)
_JUMBLE = re.compile(r"[A-Za-z0-9]{24,}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[\d_]*\.?[\d_]+(?:[eE][+-]?\d+)?", re.ASCII)
_BITS_PER_CHARACTER = 3.0


def is_secret(name: str, value: str) -> bool:
    """Whether `value`, given under `name`, has to be masked. Judged by the last words of the name:
    `db_password` and `API-KEY` are secrets, `tokenizer`, `token_type` and `key_size` are not."""
    if value.strip().lower() in _PLAIN_VALUES:
        return False
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and words[-1] in _TRAILING:
        words.pop()
    if not words:
        return False
    return _judge(words[-1], frozenset(words[:-1]), value)


def _judge(last: str, before: frozenset[str], value: str) -> bool:
    if last.endswith(_SURE_ENDINGS):
        return True
    if last in _TOKENS:
        return not before & _TOKENIZER_WORDS
    if last == "pass":
        return not _NUMBER.fullmatch(value)
    if last == "key" and "secret" in before:
        return True
    if last == "auth" and ":" in value:
        return True
    if last in ("pwd", "pw") or last.endswith(_KEY_ENDINGS) or (last == "key" and before & _KEY_WORDS):
        return not _is_path(value) and not _NUMBER.fullmatch(value)
    return last in _MAYBE and _is_random(value)


def _is_path(value: str) -> bool:
    return bool(_PATH.fullmatch(value)) and not any(_is_mixed(part) for part in _JUMBLE.findall(value))


def _is_random(value: str) -> bool:
    if not _PACKED.fullmatch(value) or _is_path(value):
        return False
    has_both = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return has_both and _entropy(value) >= _BITS_PER_CHARACTER


def _is_mixed(text: str) -> bool:
    return (
        any(c.isdigit() for c in text) and any(c.islower() for c in text) and any(c.isupper() for c in text)
    )


def _entropy(text: str) -> float:
    shares = (count / len(text) for count in Counter(text).values())
    return -sum(share * math.log2(share) for share in shares)
