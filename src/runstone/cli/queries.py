"""JMESPath: what `--query` asks for, and the character at which it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Query:
    """A query that can be read. ``compiled`` is JMESPath's own form of it."""

    text: str
    compiled: Any

    def of(self, value: Any) -> Any:
        """What the query finds; wrong usage for what it cannot ask of this value."""
        import jmespath.exceptions  # see parsed()

        try:
            return self.compiled.search(value)
        except jmespath.exceptions.JMESPathError as error:
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
    return " ".join(str(error).split()).rstrip(".")
