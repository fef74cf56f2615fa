"""A filter's text to its tree, by recursive descent."""

from __future__ import annotations

from datetime import datetime, timezone

from runstone.model.query import times, values
from runstone.model.query.fields import KEY_WORDS, TEXT_OPERATORS, shown
from runstone.model.query.lexer import Token, tokens, wrong
from runstone.model.query.operands import Reading, operand_at, unknown
from runstone.model.query.tree import (
    Between,
    Compare,
    Expression,
    Has,
    In,
    Like,
    Missing,
    Not,
    Operand,
    Order,
    Text,
    Value,
    all_of,
    any_of,
)

DEPTH = 50
TERMS = 100
KEYS = 16


def parse(text: str, *, now: datetime | None = None) -> Expression | None:
    """The tree of a filter, None for an empty one; FilterError says where it goes wrong and what is right.

    ``now`` (default: the present, UTC) is what times like ``now - 7d`` and ``today`` start from.
    """
    found = tokens(text)
    if found[0].kind == "end":
        return None
    parser = _Parser(found, now or datetime.now(timezone.utc))
    tree = parser.expression(0)
    parser.finish()
    return tree


def parse_order(text: str) -> tuple[Order, ...]:
    """The keys of an order such as ``metrics.acc desc nulls first, started``; empty for an empty text."""
    found = tokens(text)
    if found[0].kind == "end":
        return ()
    return _Parser(found, datetime.now(timezone.utc)).order()


class _Parser:
    def __init__(self, found: list[Token], now: datetime) -> None:
        self.tokens = found
        self.now = now
        self.index = 0
        self.terms = 0

    def expression(self, depth: int) -> Expression:
        parts = [self._all(depth)]
        while self._take("or"):
            parts.append(self._all(depth))
        return any_of(*parts)

    def finish(self) -> None:
        token = self._peek()
        if token.kind == "close":
            raise wrong(token.start, "this ')' closes nothing")
        if token.kind != "end":
            raise wrong(token.start, f"expected 'and', 'or' or the end before {shown(token.text)}")

    def order(self) -> tuple[Order, ...]:
        keys = [self._key()]
        while self._peek().kind == "comma":
            self.index += 1
            keys.append(self._key())
        token = self._peek()
        if token.kind != "end":
            raise wrong(
                token.start, f"expected asc, desc, nulls first, nulls last or ',' before {shown(token.text)}"
            )
        if len(keys) > KEYS:
            raise wrong(0, f"an order has at most {KEYS} keys; this one has {len(keys)}")
        return tuple(keys)

    def _key(self) -> Order:
        reading = operand_at(self.tokens, self.index)
        if reading is None:
            token = self._peek()
            raise (
                unknown(token) if token.kind != "end" else wrong(token.start, "expected a field to order by")
            )
        self.index = reading.next
        descending = self._take("desc")
        if not descending:
            self._take("asc")
        if not self._take("nulls"):
            return Order(reading.operand, descending)
        token = self._next()
        if not token.word("first", "last"):
            raise wrong(token.start, "expected first or last after 'nulls'")
        return Order(reading.operand, descending, token.text.lower())

    def _all(self, depth: int) -> Expression:
        parts = [self._negated(depth)]
        while self._take("and"):
            parts.append(self._negated(depth))
        tree = all_of(*parts)
        assert tree is not None  # there is at least one part
        return tree

    def _negated(self, depth: int) -> Expression:
        count = 0
        while self._peek().word("not"):
            self._deeper(depth + count)
            self.index += 1
            count += 1
        tree = self._atom(depth + count)
        for _ in range(count):
            tree = Not(tree)
        return tree

    def _atom(self, depth: int) -> Expression:
        token = self._peek()
        if token.kind == "open":
            return self._group(depth)
        self._count(token)
        if token.word("has", "missing") and not self._operator(self.index + 1):
            return self._presence()
        reading = operand_at(self.tokens, self.index)
        if reading is not None and self._operator(reading.next, known=True):
            self.index = reading.next
            return self._comparison(reading.operand)
        if reading is None and self._operator(self.index + 1) and token.kind in ("word", "string", "name"):
            raise unknown(token)
        return self._text(reading)

    def _group(self, depth: int) -> Expression:
        opened = self._next()
        self._deeper(depth, opened)
        tree = self.expression(depth + 1)
        token = self._next()
        if token.kind == "close":
            return tree
        if token.kind == "end":
            raise wrong(opened.start, "this '(' is never closed")
        raise wrong(token.start, f"expected 'and', 'or' or ')' before {shown(token.text)}")

    def _presence(self) -> Expression:
        word = self._next()
        reading = operand_at(self.tokens, self.index)
        if reading is not None:
            self.index = reading.next
            return Has(reading.operand) if word.word("has") else Missing(reading.operand)
        token = self._peek()
        if token.kind == "end":
            raise wrong(token.start, f"expected a field after '{word.text}', like tags.quality")
        raise wrong(
            token.start,
            f"{shown(token.text)} is no field; write tags.name, or put text in quotes",
        )

    def _comparison(self, operand: Operand) -> Expression:
        token = self._next()
        if token.kind == "op":
            values.check_operator(operand, token.text, at=token.start)
            value = self._value(operand, token.text)
            if value is None and token.text not in ("=", "!="):
                raise wrong(token.start, f"null is compared by = and !=, not by '{token.text}'")
            return Compare(operand, token.text, value)
        if token.word("is"):
            negated = self._take("not")
            self.index += 1
            return Has(operand) if negated else Missing(operand)
        negated = token.word("not")
        word = self._next() if negated else token
        name = word.text.lower()
        values.check_operator(operand, "like" if name in TEXT_OPERATORS else name, at=word.start)
        if name == "in":
            return In(operand, self._values(operand), negated)
        if name == "between":
            return self._between(operand)
        return Like(operand, name, self._pattern(name), negated)

    def _between(self, operand: Operand) -> Expression:
        at = self._peek().start
        low = self._value(operand, "between")
        if not self._take("and"):
            raise wrong(self._peek().start, "expected 'and' and the upper value of 'between'")
        high = self._value(operand, "and")
        if low is None or high is None or isinstance(low, str) != isinstance(high, str):
            raise wrong(at, "'between' has two numbers or two texts")
        return Between(operand, low, high)

    def _values(self, operand: Operand) -> tuple[Value, ...]:
        self.index += 1
        found = [self._value(operand, "(")]
        while self._peek().kind == "comma":
            self.index += 1
            found.append(self._value(operand, ","))
        token = self._next()
        if token.kind != "close":
            raise wrong(token.start, "expected ',' or ')' in the list of values")
        if None in found:
            raise wrong(token.start, "null is in no list; write 'missing' and the field")
        return tuple(found)

    def _pattern(self, name: str) -> str:
        token = self._next()
        if token.kind not in ("string", "word") or (token.kind == "word" and token.text.lower() in KEY_WORDS):
            raise wrong(token.start, f"expected a text in quotes after '{name}'")
        return token.text

    def _value(self, operand: Operand, after: str) -> Value:
        token = self._next()
        if token.kind not in ("string", "word") or (token.kind == "word" and token.text.lower() in KEY_WORDS):
            instead = f": {values.wanted(operand)}, not {shown(token.text)}" if token.text else ""
            raise wrong(token.start, f"expected a value after '{after}'{instead}")
        if operand.kind == "time" and token.word("now", "today"):
            token = self._relative(token)
        return values.convert(token, operand, now=self.now)

    def _relative(self, token: Token) -> Token:
        """The longest of ``now``, ``now -7d`` and ``now - 7d`` that stands here, as one token."""
        for more in (2, 1):
            rest = self.tokens[self.index : self.index + more]
            text = " ".join([token.text, *(one.text for one in rest)])
            if all(one.kind == "word" for one in rest) and times.moment(text, self.now):
                self.index += more
                return Token("word", text, token.start, rest[-1].end)
        return token

    def _text(self, reading: Reading | None) -> Expression:
        words: list[str] = []
        first = self._peek()
        if first.kind not in ("word", "string") or first.word("and", "or"):
            raise wrong(first.start, _expected(first))
        if reading is not None and reading.group:
            after = self.tokens[reading.next].start
            raise wrong(
                after, f"expected an operator after '{reading.operand}', like = or >; text goes in quotes"
            )
        while self._peek().kind in ("word", "string") and not self._peek().word("and", "or"):
            token = self._peek()
            if words and self._operator(self.index + 1):
                raise wrong(token.start, f"expected 'and' or 'or' before {shown(token.text)}")
            if words:
                self._count(token)
            words.append(token.text.strip())
            self.index += 1
        found = tuple(word for word in words if word)
        if not found:
            raise wrong(first.start, "an empty text finds nothing; write a word")
        return Text(found)

    def _operator(self, index: int, known: bool = False) -> bool:
        """Whether an operator stands at ``index``; those that are words count after a known field alone."""
        token = self.tokens[min(index, len(self.tokens) - 1)]
        if token.kind == "op":
            return True
        following = [*self.tokens[index + 1 : index + 3], self.tokens[-1], self.tokens[-1]]
        if token.word("not"):
            token, following = following[0], following[1:]
            if token.word("between", "is"):
                return False
        if token.word("in"):
            return following[0].kind == "open"
        if token.word("is"):
            null = following[1] if following[0].word("not") else following[0]
            return known and null.word("null")
        return known and token.word("between", *TEXT_OPERATORS)

    def _count(self, token: Token) -> None:
        self.terms += 1
        if self.terms > TERMS:
            raise wrong(token.start, f"a filter has at most {TERMS} terms; this is one more")

    def _deeper(self, depth: int, token: Token | None = None) -> None:
        if depth >= DEPTH:
            raise wrong((token or self._peek()).start, f"a filter nests at most {DEPTH} deep")

    def _take(self, word: str) -> bool:
        if not self._peek().word(word):
            return False
        self.index += 1
        return True

    def _peek(self) -> Token:
        return self.tokens[self.index]

    def _next(self) -> Token:
        token = self.tokens[self.index]
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token


def _expected(token: Token) -> str:
    if token.kind == "end":
        return "expected a comparison, like metrics.acc > 0.9, or text"
    return f"expected a comparison, like metrics.acc > 0.9, or text before {shown(token.text)}"
