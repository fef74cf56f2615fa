"""Operations on secrets: sealed at rest, opened with the right key only, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runstone.model.errors import Conflict, Invalid, NotFound, RunstoneError, TooLarge, Unreadable
from runstone.service.sealing import FILE
from runstone.service.secrets import Secrets
from runstone.store import experiments
from runstone.store.database import Database, open_database

# Made here from pieces, so that no scanner takes this file for a leak.
CANARY = "canary-" + "Kx7Qm2Vb9Lr4Tz8"


@pytest.fixture
def database(place: str) -> Iterator[Database]:
    with closing(open_database(place)) as found:
        with found.write() as tx:
            for name in ("ws", "other"):
                experiments.add_workspace(tx, name, labels={}, now=1)
        yield found


@pytest.fixture
def secrets(database: Database, tmp_path: Path) -> Secrets:
    return Secrets(database, home=tmp_path / "home")


def rows(database: Database) -> list[dict[str, object]]:
    with database.read() as tx:
        return [dict(row) for row in tx.execute("SELECT * FROM secrets ORDER BY workspace, folded")]


def test_a_secret_is_given_back_and_replaced(secrets: Secrets, database: Database) -> None:
    secrets.put("ws", {"api-key": "old"})
    secrets.put("ws", {"api-key": CANARY, "empty": ""})
    assert secrets.get("ws", "api-key") == CANARY
    assert secrets.values("ws", ["api-key", "empty", "none"]) == {
        "api-key": CANARY,
        "empty": "",
        "none": None,
    }
    assert [one.name for one in secrets.list("ws")] == ["api-key", "empty"]
    assert len(rows(database)) == 2


@pytest.mark.parametrize("value", ["", "한글 🔑", "a\0b\r\n", "x" * 65_536])
def test_a_value_is_any_text(secrets: Secrets, value: str) -> None:
    secrets.put("ws", {"s": value})
    assert secrets.get("ws", "s") == value


def test_the_database_holds_no_value_and_no_key(secrets: Secrets, database: Database, tmp_path: Path) -> None:
    secrets.put("ws", {"a": CANARY, "b": CANARY})
    key = (tmp_path / "home" / FILE).read_text().strip()
    kept = str(rows(database))
    assert CANARY not in kept
    assert key not in kept
    # the same value twice is not seen to be the same
    assert rows(database)[0]["sealed"] != rows(database)[1]["sealed"]


def test_names_differ_by_more_than_the_case_of_letters(secrets: Secrets) -> None:
    secrets.put("ws", {"Api-Key": "1"})
    assert secrets.get("ws", "api-KEY") == "1"
    secrets.put("ws", {"API-KEY": "2"})
    assert [one.name for one in secrets.list("ws")] == ["API-KEY"]
    assert secrets.get("ws", "Api-Key") == "2"


@pytest.mark.parametrize(
    "name", ["", "a_b", "a b", "a.b", "é", "a/b", "x" * 128, "a\n", "'; DROP TABLE secrets"]
)
def test_a_name_is_letters_digits_and_dashes(secrets: Secrets, database: Database, name: str) -> None:
    with pytest.raises(Invalid, match="1 to 127 letters, digits and dashes"):
        secrets.put("ws", {"fine": CANARY, name: CANARY})
    assert rows(database) == []
    with pytest.raises(Invalid):
        secrets.get("ws", name)


@pytest.mark.parametrize("value", [None, b"bytes", 7, ["x"], "\ud800" + CANARY, CANARY * 10_000])
def test_a_value_that_cannot_be_kept_is_refused_and_not_shown(
    secrets: Secrets, database: Database, value: object
) -> None:
    with pytest.raises((Invalid, TooLarge)) as error:
        secrets.put("ws", {"a": "1", "s": value})  # type: ignore[dict-item]
    assert "'s'" in str(error.value)
    assert CANARY not in str(error.value)
    assert error.value.__cause__ is None
    assert rows(database) == []


def test_a_secret_that_is_not_there_is_told_with_those_that_are(secrets: Secrets) -> None:
    with pytest.raises(NotFound, match="no secret 'a' in this workspace; there are: none yet"):
        secrets.get("ws", "a")
    secrets.put("ws", {"b": CANARY})
    with pytest.raises(NotFound, match="there are: 'b'"):
        secrets.get("ws", "a")
    with pytest.raises(NotFound, match="no secret 'b'"):
        secrets.get("other", "b")


def test_deleted_is_deleted(secrets: Secrets, database: Database) -> None:
    secrets.put("ws", {"a": "1", "b": "2", "c": "3"})
    with pytest.raises(NotFound, match="no secret 'z'"):
        secrets.delete("ws", ["a", "z"])
    secrets.delete("ws", ["A", "b"])
    assert [one.name for one in secrets.list("ws")] == ["c"]
    assert len(rows(database)) == 1


def test_a_sealed_value_opens_nowhere_else(secrets: Secrets, database: Database) -> None:
    secrets.put("ws", {"a": CANARY, "b": "mine"})
    with database.write() as tx:
        tx.execute("UPDATE secrets SET sealed = :s WHERE folded = 'b'", {"s": rows(database)[0]["sealed"]})
    with pytest.raises(Unreadable, match="'b' cannot be opened"):
        secrets.get("ws", "b")
    with database.write() as tx:
        tx.execute("UPDATE secrets SET sealed = 'bm9uc2Vuc2U=' WHERE folded = 'a'")
    with pytest.raises(Unreadable, match="damaged"):
        secrets.get("ws", "a")


def test_a_key_that_is_missing_or_another_is_said(
    secrets: Secrets, database: Database, tmp_path: Path
) -> None:
    secrets.put("ws", {"a": CANARY})
    file = tmp_path / "home" / FILE
    key = file.rename(tmp_path / "aside")
    for call in (lambda: secrets.get("ws", "a"), lambda: secrets.put("ws", {"b": "2"})):
        with pytest.raises(Conflict, match="put the file back"):
            call()
    assert not file.exists()
    assert [one.name for one in secrets.list("ws")] == ["a"]
    elsewhere = Secrets(database, home=tmp_path / "elsewhere")
    with pytest.raises(Conflict, match="put the file back"):
        elsewhere.get("ws", "a")
    key.rename(file)
    assert secrets.get("ws", "a") == CANARY


def test_another_key_is_told_apart(secrets: Secrets, database: Database, tmp_path: Path) -> None:
    other = Secrets(database, home=tmp_path / "another")
    other.put("ws", {"theirs": CANARY})
    other.delete("ws", ["theirs"])
    secrets.put("ws", {"a": CANARY})
    with pytest.raises(Conflict, match="is sealed with the key"):
        other.get("ws", "a")
    other.put("ws", {"a": "anew"})
    assert other.get("ws", "a") == "anew"


def test_the_key_is_for_its_owner_alone(secrets: Secrets, tmp_path: Path) -> None:
    secrets.put("ws", {"a": CANARY})
    file = tmp_path / "home" / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [FILE]
    file.chmod(0o644)
    with pytest.raises(Invalid, match=r"mode 0644.*chmod 600"):
        secrets.get("ws", "a")
    file.chmod(0o600)
    file.write_text("nonsense")
    with pytest.raises(Invalid, match="is no key of Runstone"):
        secrets.get("ws", "a")
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Invalid, match="cannot be read or made"):
        secrets.put("ws", {"a": "2"})


def test_many_who_set_the_first_secret_make_one_key(database: Database, tmp_path: Path) -> None:
    failed: list[RunstoneError] = []

    def put(number: int) -> None:
        try:
            Secrets(database, home=tmp_path / "home").put("ws", {f"s{number}": CANARY})
        except RunstoneError as error:
            failed.append(error)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found = Secrets(database, home=tmp_path / "home").values("ws", [f"s{number}" for number in range(8)])
    assert set(found.values()) == {CANARY}
