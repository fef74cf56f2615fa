"""What people write on a run: tags, properties, parameters, a name and a description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runstone.sdk import finding
from runstone.sdk.handle import Handle


class Annotations(Handle):
    """The part of a run that people write by hand, and change later."""

    @property
    def tags(self) -> dict[str, str | None]:
        """The tags as last fetched; ``get_tags`` asks again."""
        return dict(self._record.tags)

    @property
    def properties(self) -> dict[str, str]:
        """The properties as last fetched; ``get_properties`` asks again."""
        return dict(self._record.properties)

    @property
    def display_name(self) -> str:
        """The name that people see, the run id while none was given; can be set (1,024 characters)."""
        return self._record.shown_name

    @display_name.setter
    def display_name(self, name: str | None) -> None:
        self._operate("edit", {"changes": {"display_name": name}})

    @property
    def description(self) -> str | None:
        """The description (Markdown); can be set (64 KiB of characters)."""
        return self._record.description

    @description.setter
    def description(self, text: str | None) -> None:
        self._operate("edit", {"changes": {"description": text}})

    def tag(self, key: str, value: Any = None) -> None:
        """Add or replace one tag.

        Args:
            key: to 250 characters.
            value: text to 5,000 characters; other values are converted, with a warning; None is a tag
            without value.

        Raises:
            UserErrorException: a limit is exceeded; the message names it and the size.
        """
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any] | str) -> None:
        """Add or replace tags, all of them or none; the others stay. A text is one tag, or a JSON object of
        them."""
        self._operate("tag", {"tags": finding.tags(tags)})

    def remove_tags(self, tags: list[str] | str) -> dict[str, str | None]:
        """Remove tags (a key that is not there is passed over); the tags that remain."""
        self._operate("untag", {"keys": finding.keys(tags)})
        return self.tags

    def get_tags(self) -> dict[str, str | None]:
        """The tags, fetched now; never None."""
        self._refresh()
        return self.tags

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Add permanent properties.

        Args:
            properties: keys to 250 characters, values to 5,000; values that are no text are converted, with
            a warning.

        Raises:
            UserErrorException: a key exists with another value (also a ``ServiceException``, status 409), or
            a limit
                is exceeded. Then nothing of the call is kept. The same value again is allowed.
        """
        self._operate("add_properties", {"properties": finding.properties(properties)})

    def get_properties(self) -> dict[str, str]:
        """The properties, fetched now; never None."""
        self._refresh()
        return self.properties

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Keep the parameters of the run: what it was started with, to be searched and compared.

        Args:
            params: keys to 250 characters; values of any kind, kept as text. The same key again only with
            the same
                value.

        Raises:
            UserErrorException: a key exists with another value, or a limit is exceeded; nothing of the call
            is kept.
        """
        self._operate("add_params", {"params": finding.params(params)})

    def get_params(self) -> dict[str, str]:
        """The parameters, fetched now; never None."""
        self._refresh()
        return dict(self._record.params)
