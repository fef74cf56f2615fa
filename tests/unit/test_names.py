"""Names: an artifact's stays inside of any directory, and ordinary ones pass."""

from __future__ import annotations

import ntpath
import posixpath
import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstone.model import names
from runstone.model.errors import Invalid, ServiceException, UserErrorException
from tests.hostile_names import ACCEPTED, REFUSED

PIECES = [
    ".",
    "..",
    "/",
    "\\",
    "~",
    ":",
    "%",
    "%2e",
    "%2f",
    "%5C",
    "%25",
    "%u002e",
    "C:",
    "con",
    ";",
    " ",
    "a",
    "\0",
]
PIECES += [
    "\uff0e",
    "\uff0f",
    "\u2025",
    "\u2024",
    "%c0%ae",
    "\udcc0",
    "\udcae",
    "é",
    "e\u0301",
    "한",
    "x.txt",
]
WILD = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), min_size=1, max_size=8).map("".join)


def leaves(name: str) -> bool:
    """Whether a name joined under a directory is no longer below it, by either system's rules."""
    for path, root in ((posixpath, "/srv/files"), (ntpath, "D:\\srv\\files")):
        joined = path.normpath(path.join(root, name))
        if not joined.startswith(root + path.sep) or path.isabs(name) or path.splitdrive(name)[0]:
            return True
    return False


@pytest.mark.parametrize("name", REFUSED, ids=lambda name: ascii(name)[:40])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        names.artifact_name(name)
    assert caught.value.status == 422
    assert isinstance(caught.value, UserErrorException)
    assert isinstance(caught.value, ServiceException)


@pytest.mark.parametrize("name", ACCEPTED, ids=lambda name: ascii(name)[:40])
def test_an_ordinary_name_passes(name: str) -> None:
    assert names.artifact_name(name) == ACCEPTED[name]


@pytest.mark.parametrize("value", [None, b"x", 5, ["x"], object()])
def test_a_name_is_a_text(value: object) -> None:
    with pytest.raises(Invalid, match="is a text"):
        names.artifact_name(value)  # type: ignore[arg-type]


def test_a_refusal_names_the_value_and_the_reason() -> None:
    with pytest.raises(Invalid, match=re.escape("'outputs/../x' is refused: the part '..' leads")):
        names.artifact_name("outputs/../x")


@given(WILD)
def test_an_accepted_name_never_leaves_a_directory(given_name: str) -> None:
    try:
        name = names.artifact_name(given_name)
    except Invalid:
        return
    parts = name.split("/")
    assert [cut for cut in range(len(parts)) if leaves("/".join(parts[cut:]))] == []
    assert not name.startswith("~")


@given(WILD)
def test_decoding_an_accepted_name_or_folding_it_does_not_make_it_leave(given_name: str) -> None:
    try:
        name = names.artifact_name(given_name)
    except Invalid:
        return
    forms = [unquote(name), unquote(unquote(name)), unicodedata.normalize("NFKC", name)]
    # ntpath takes any character before a colon for a drive; Windows takes letters
    assert [form for form in forms if leaves(re.sub("(?<![^/])[^A-Za-z/]:", "_", form))] == []


@given(WILD)
def test_an_accepted_name_is_kept_as_it_is(given_name: str) -> None:
    try:
        name = names.artifact_name(given_name)
    except Invalid:
        return
    assert names.artifact_name(name) == name
    assert unicodedata.normalize("NFC", name) == name
    assert name.encode("utf-8").decode("utf-8") == name


@given(st.lists(st.from_regex(r"\A[\w() +=,@!#-][\w() .+=,@!#~-]{0,10}[\w)]\Z"), min_size=1, max_size=4))
def test_what_people_write_passes(parts: list[str]) -> None:
    given_name = unicodedata.normalize("NFC", "/".join(f"_{part}" for part in parts))
    assert names.artifact_name(given_name) == given_name


@pytest.mark.parametrize("name", ["%2500" * 1_000, "." * 5_000, "a/" * 2_500, "\uff0e" * 5_000, "x" * 10**6])
def test_the_refusal_of_a_long_name_is_short(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        names.artifact_name(name)
    assert len(caught.value.message) < 400
