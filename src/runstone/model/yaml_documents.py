"""YAML that somebody else wrote, read within limits and without objects; and YAML as we write it."""

from __future__ import annotations

import json
from typing import Any

from runstone.model.documents import DIGITS, read_json
from runstone.model.errors import Invalid

SIZE = 1024 * 1024
DEPTH = 64
# Values, those that an alias repeats counted every time.
VALUES = 50_000

_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}


def read_yaml(text: str, what: str) -> Any:
    """The value of a YAML (or JSON) text: plain scalars, lists and mappings alone.

    Raises:
        Invalid: it is neither, is larger than 1 MiB, nested deeper than 64, has more than 50,000 values once
        aliases are written out, has a key twice, or asks for an object.
    """
    if len(text) > SIZE:
        raise Invalid(f"The {what} is over the size limit: Limit={SIZE:,} characters, Size={len(text):,}.")
    if text.lstrip()[:1] == "{":
        try:
            return read_json(text, what)
        except Invalid:
            # a flow mapping of YAML begins so too
            pass
    return _read(text, what)


def write_yaml(value: Any) -> str:
    """A value as YAML, in the order of its keys and without aliases."""
    import yaml  # heavier than a training script needs: for those who read or write such files

    # through JSON: what stands in two places is written out in both
    plain = json.loads(json.dumps(value, default=str))
    return str(yaml.safe_dump(plain, sort_keys=False, default_flow_style=False, allow_unicode=True))


def _read(text: str, what: str) -> Any:
    import yaml  # heavier than a training script needs: for those who read or write such files

    try:
        _shallow(yaml, text, what)
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _bounded(yaml, node, what)
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        said = " ".join(str(error).split())[:500]
        raise Invalid(f"The {what} cannot be read as YAML: {said}.") from None


def _shallow(yaml: Any, text: str, what: str) -> None:
    """Refuse deep nesting from the events alone: whatever comes after this may be recursive."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise Invalid(f"The {what} is nested deeper than {DEPTH} levels; flatten it.")


def _bounded(yaml: Any, root: Any, what: str) -> None:
    """Refuse aliases that grow into very much, or stand within what they mean, and keys that stand twice."""
    pending = [(root, 1)]
    seen = 0
    while pending:
        node, depth = pending.pop()
        seen += 1
        if depth > DEPTH or seen > VALUES:
            raise Invalid(
                f"The {what} has more than {VALUES:,} values, or an alias within itself; write less."
            )
        if isinstance(node, yaml.ScalarNode):
            _short(node, what)
        elif isinstance(node, yaml.MappingNode):
            _once(yaml, node, what)
            pending.extend((part, depth + 1) for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            pending.extend((part, depth + 1) for part in node.value)


def _short(node: Any, what: str) -> None:
    # 1:59:59 is a number too: of one that is long enough no text can be made again
    if node.tag in _NUMBERS and len(node.value) > DIGITS:
        line = node.start_mark.line + 1
        raise Invalid(f"The {what} holds a number of more than {DIGITS:,} digits in line {line}; quote it.")


def _once(yaml: Any, node: Any, what: str) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if (key.tag, key.value) in seen:
            line = key.start_mark.line + 1
            raise Invalid(f"The {what} has the key {key.value!r} twice, again in line {line}; keep one.")
        seen.add((key.tag, key.value))
