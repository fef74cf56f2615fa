"""A journal whose files were all delivered and deleted."""

from __future__ import annotations

from pathlib import Path

from runstone.journal.reader import Reader


def test_a_journal_without_files_has_no_batches(tmp_path: Path):
    assert list(Reader(tmp_path, "0" * 32).batches()) == []
