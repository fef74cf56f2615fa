"""Who is asking: what the original's cloud had to be told, and a history in a directory need not know.

Each is made as the original is, and may be handed over as ``auth``; nothing that it was given is kept.
"""

from __future__ import annotations

from typing import Any


class _Authentication:
    def __init__(self, *_: Any, **given: Any) -> None:
        """Whatever the original takes; secrets among it are let go at once."""

    def get_authentication_header(self) -> dict[str, str]:
        """None is needed."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class InteractiveLoginAuthentication(_Authentication):
    """A person who would have logged in in a browser."""


class AzureCliAuthentication(_Authentication):
    """A person who would have logged in by ``az login``."""


class ServicePrincipalAuthentication(_Authentication):
    """A program that would have logged in by an id and a password."""


class MsiAuthentication(_Authentication):
    """A machine that would have been known to the cloud."""


class TokenAuthentication(_Authentication):
    """A program that would have brought a token of its own making."""
