"""Tabular data sets: what becomes of delimited, Parquet and JSON files, step by step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import pandas
import pytest

from runstone import Dataset, Datastore, Workspace
from runstone.exceptions import UserErrorException
from runstone.sdk.readings import DataType, PromoteHeadersBehavior
from runstone.sdk.tabular_dataset import TabularDataset


def names(dataset: TabularDataset) -> list[str]:
    return list(dataset.to_pandas_dataframe()["name"])


def test_delimited_files_become_rows_in_the_order_of_their_names(rows: TabularDataset):
    table = rows.to_pandas_dataframe()
    assert list(table["name"]) == ["a1", "a2", "a3", "b1", "b2", "b3"]
    assert list(table.index) == [0, 1, 2, 3, 4, 5]
    assert list(table["age"].dropna()) == [31.0, 32.0, 31.0, 32.0]
    assert table["when"][1] == datetime(2024, 1, 2)


def test_reading_is_as_it_was_asked_for(project: Path):
    path = project / "x.csv"
    path.write_bytes("이름;n;on;t\n가나;1;true;05/02/2024\n;2;0;nope\n".encode("cp949"))
    read = partial(Dataset.Tabular.from_delimited_files, path, separator=";", encoding="cp949")
    texts = read(infer_column_types=False).to_pandas_dataframe()
    assert texts.to_dict("list")["이름"] == ["가나", ""]
    assert list(texts["n"]) == ["1", "2"]
    assert list(read(empty_as_string=True).to_pandas_dataframe()["이름"]) == ["가나", ""]
    assert read().to_pandas_dataframe()["이름"].isna().tolist() == [False, True]
    bare = read(header=PromoteHeadersBehavior.NO_HEADERS).to_pandas_dataframe()
    assert (list(bare.columns), len(bare)) == (["Column1", "Column2", "Column3", "Column4"], 3)
    types = {"n": DataType.to_float(), "on": DataType.to_bool(), "t": DataType.to_datetime("%d/%m/%Y")}
    typed = read(set_column_types=types, include_path=True).to_pandas_dataframe()
    assert list(typed["Path"]) == ["/x.csv", "/x.csv"]
    assert str(typed["n"].dtype) == "float64"
    assert list(typed["on"]) == [True, False]
    assert typed["t"][0] == datetime(2024, 2, 5)
    assert typed["t"].isna().tolist() == [False, True]
    strings = {"n": DataType.to_string(), "t": DataType.to_long()}
    assert list(read(set_column_types=strings).to_pandas_dataframe()["n"]) == ["1", "2"]
    with pytest.raises(UserErrorException, match="no column 'x'"):
        read(set_column_types={"x": DataType.to_long()}).to_pandas_dataframe()
    with pytest.raises(UserErrorException, match="cannot be read as delimited"):
        read(encoding="utf8").to_pandas_dataframe()
    with pytest.raises(UserErrorException, match="DataType"):
        read(set_column_types={"n": float})  # type: ignore[dict-item]


def test_parquet_and_json_lines_are_read_too(project: Path):
    table = pandas.DataFrame({"n": [1, 2], "한국어": ["가", "나"]})
    table.to_parquet(project / "x.parquet")
    assert Dataset.Tabular.from_parquet_files("x.parquet").to_pandas_dataframe().equals(table)
    (project / "x.jsonl").write_text('{"n": 1, "t": "2024-01-01"}\n{"n": 2, "t": "2024-01-02"}\n')
    lines = Dataset.Tabular.from_json_lines_files("x.jsonl").to_pandas_dataframe()
    assert list(lines["n"]) == [1, 2]
    assert lines["t"][1] == datetime(2024, 1, 2)
    (project / "bad.jsonl").write_text("{]\n")
    with pytest.raises(UserErrorException, match="json-lines"):
        Dataset.Tabular.from_json_lines_files("bad.jsonl").to_pandas_dataframe()
    with pytest.raises(UserErrorException, match="parquet"):
        Dataset.Tabular.from_parquet_files("x.jsonl").to_pandas_dataframe()


def test_rows_and_columns_are_chosen_step_by_step(rows: TabularDataset):
    assert names(rows.take(4)) == ["a1", "a2", "a3", "b1"]
    assert names(rows.skip(4)) == ["b2", "b3"]
    assert names(rows.skip(1).take(2)) == ["a2", "a3"]
    assert names(rows.take(0)) == []
    assert names(rows.filter((rows["age"] > 31) & (rows["name"] != "b2"))) == ["a2"]
    assert names(rows.filter(~(rows["age"] > 0) | (rows["name"] == "b1"))) == ["a3", "b1", "b3"]
    assert names(rows.filter(rows["age"].is_null())) == ["a3", "b3"]
    assert list(rows.keep_columns(["age", "name"]).to_pandas_dataframe()) == ["age", "name"]
    assert list(rows.drop_columns("age").to_pandas_dataframe()) == ["name", "when"]
    assert rows.filter(rows["age"] > 30).keep_columns("age").take(1).to_pandas_dataframe()["age"][0] == 31
    assert len(rows.to_pandas_dataframe()) == 6


def test_steps_that_cannot_be_are_refused_when_they_are_known_to_be(rows: TabularDataset):
    bad: list[Callable[[], object]] = [
        lambda: rows.take(-1),
        lambda: rows.skip(1.5),  # type: ignore[arg-type]
        lambda: rows.random_split(1.1),
        lambda: rows.take_sample(0.5, seed=-1),
        lambda: rows.keep_columns([]),
        lambda: rows.drop_columns([3]),
        lambda: rows.filter(True),  # type: ignore[arg-type]
        lambda: rows.filter(rows["age"] > 1 and rows["age"] < 2),
        lambda: rows["age"] > [1],
        lambda: rows.keep_columns("nope", validate=True),
        lambda: rows.keep_columns("nope").to_pandas_dataframe(),
        lambda: rows.filter(rows["nope"] == 1).to_pandas_dataframe(),
        lambda: rows.filter(rows["name"] > 1).to_pandas_dataframe(),
    ]
    for call in bad:
        with pytest.raises(UserErrorException):
            call()


def test_a_random_split_has_every_row_once_and_is_the_same_again(project: Path):
    (project / "n.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(1000)))
    numbers = Dataset.Tabular.from_delimited_files("n.csv")
    first, second = ([*part.to_pandas_dataframe()["n"]] for part in numbers.random_split(0.3, seed=7))
    assert sorted(first + second) == list(range(1000))
    assert 200 < len(first) < 400
    again, _ = numbers.random_split(0.3, seed=7)
    assert [*again.to_pandas_dataframe()["n"]] == first
    left, right = numbers.random_split(0.5)
    assert len(left.to_pandas_dataframe()) + len(right.to_pandas_dataframe()) == 1000
    assert 400 < len(numbers.take_sample(0.5, seed=1).to_pandas_dataframe()) < 600


def test_paths_give_columns_as_a_format_says(own: Datastore, project: Path):
    for city, day, n in (("seoul", "2024-01-31", 1), ("busan", "2024-02-01", 2)):
        folder = project / "cities" / city / day
        folder.mkdir(parents=True)
        (folder / "x.csv").write_text(f"n,city\n{n},file\n")
    own.upload(project / "cities", "cities", show_progress=False)
    form = "{city}/{day:yyyy-MM-dd}/x.csv"
    for path in ("cities", (own, "cities/**"), (own, "cities/*/*/x.csv")):
        read = Dataset.Tabular.from_delimited_files(path, partition_format=form)
        table = read.to_pandas_dataframe()
        assert list(table.columns) == ["city", "day", "n"]
        assert list(table["city"]) == ["busan", "seoul"]
        assert table["day"][1] == datetime(2024, 1, 31)
    one = Dataset.Tabular.from_delimited_files(
        "cities/seoul/**", partition_format="/{where}/{month:yyyy-MM}-31/"
    )
    assert one.to_pandas_dataframe()["where"][0] == "seoul"
    assert one.to_pandas_dataframe()["month"][0] == datetime(2024, 1, 1)
    for wrong in ("{city}/x.csv/{n:yyyy}/", "{city:yyyy}/{day}/x.csv"):
        with pytest.raises(UserErrorException, match="does not end like"):
            Dataset.Tabular.from_delimited_files("cities", partition_format=wrong).to_pandas_dataframe()
    for wrong in ("", "x.csv", "{a}/{a}/x.csv"):
        with pytest.raises(UserErrorException, match="each once"):
            Dataset.Tabular.from_delimited_files("cities", partition_format=wrong)


def test_rows_are_kept_in_a_folder_for_each_value(workspace: Workspace, rows: TabularDataset, own: Datastore):
    made = rows.keep_columns(["name", "age", "when"]).partition_by(["age"], (own, "by-age"), "ages", False)
    assert (made.name, made.version) == ("ages", 1)
    table = made.to_pandas_dataframe()
    assert sorted(zip(table["age"], table["name"], strict=True)) == [
        ("31.0", "a1"),
        ("31.0", "b1"),
        ("32.0", "a2"),
        ("32.0", "b2"),
        ("nan", "a3"),
        ("nan", "b3"),
    ]
    frame = pandas.DataFrame({"key": ["a/b"], "n": [1]})
    slashed = Dataset.Tabular.register_pandas_dataframe(frame, own, "slashed", show_progress=False)
    with pytest.raises(UserErrorException, match="hold a slash"):
        slashed.partition_by("key", own)
    with pytest.raises(UserErrorException, match="no columns"):
        rows.partition_by("nope", own)


def test_a_frame_is_kept_as_a_new_version(workspace: Workspace, own: Datastore):
    table = pandas.DataFrame({"n": [1.5, None], "t": ["x", "한글"]})
    register = partial(Dataset.Tabular.register_pandas_dataframe, table, own, "frame", show_progress=False)
    assert [register().version, register(tags={"a": "b"}).version] == [1, 2]
    assert workspace.datasets["frame"].to_pandas_dataframe().equals(table)
    assert workspace.datasets["frame"].tags == {"a": "b"}


def test_rows_become_files(rows: TabularDataset):
    csv = rows.take(2).to_csv_files()
    assert names(Dataset.Tabular.from_delimited_files(csv.download())) == ["a1", "a2"]
    parquet = rows.to_parquet_files()
    assert names(Dataset.Tabular.from_parquet_files(parquet.download())) == names(rows)
