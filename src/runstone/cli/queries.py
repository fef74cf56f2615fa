"""JMESPath: what `--query` asks for, and the character at which it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from runstone.cli.values import plain

# So much is said of what went wrong within a query: it may hold all that was asked.
SAID = 200


@dataclass(frozen=True)
class Query:
    """A query that can be read. ``compiled`` is JMESPath's own form of it."""

    text: str
    compiled: Any

    def of(self, value: Any) -> Any:
        """What the query finds; wrong usage for what it cannot ask of this value."""
        import jmespath.exceptions  # see parsed()

        try:
            return _printable(self.compiled.search(value))
        # [::0] is a ValueError of JMESPath's, an expression that stands alone a TypeError of ours
        except (jmespath.exceptions.JMESPathError, ValueError, TypeError, RecursionError) as error:
            raise click.UsageError(f"The query {self.text!r} cannot be asked here: {_said(error)}.") from None


def parsed(text: str) -> Query:
    """The query in a text; wrong usage, naming the character, when there is none in it."""
    import jmespath.exceptions  # 20 ms, for those who ask

    try:
        return Query(text, jmespath.compile(text))
    except jmespath.exceptions.EmptyExpressionError:
        raise click.UsageError("The query is empty; `--query '[].runId'` is one.") from None
    except jmespath.exceptions.ParseError as error:
        raise click.UsageError(_malformed(text, error)) from None
    except RecursionError:
        raise click.UsageError(
            f"The query {text[:30]!r}... cannot be read: it is nested too deeply."
        ) from None


def _printable(found: Any) -> Any:
    """What a query has found, as JSON can have it: it has no word for three numbers."""
    if isinstance(found, Mapping):
        return {key: _printable(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_printable(value) for value in found]
    if isinstance(found, float):
        return plain(found)
    if found is None or isinstance(found, (str, int)):
        return found
    raise TypeError("an expression after & is for a function, as in sort_by([], &runId)")


def _malformed(text: str, error: Any) -> str:
    at = error.lex_position
    if at >= len(text.rstrip()):
        what = f"at {len(text)}: it ends too early"
    elif "UNCLOSED" in str(error.token_type):
        what = f"at {at}: what begins here is never closed: {text[at:]!r}"
    else:
        what = f"at {at}: this cannot stand here: {text[at:][:30]!r}"
    bare = not any(quote in text for quote in "'\"`")
    hint = " (Has a shell taken quotes away? Put the whole query between double quotes.)" if bare else ""
    return f"The query {text!r} cannot be read, {what}{hint}"


def _said(error: Exception) -> str:
    from jmespath.exceptions import JMESPathTypeError  # see parsed()

    if isinstance(error, JMESPathTypeError):
        # not its own text: that holds the value, which may be every run there is
        return (
            f"{error.function_name}() takes {' or '.join(error.expected_types)}, and got {error.actual_type}"
        )
    text = " ".join(str(error).split()).rstrip(".")
    return text if len(text) <= SAID else f"{text[: SAID - 1]}…"
