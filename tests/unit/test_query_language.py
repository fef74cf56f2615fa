"""The filter language: every example of the contract, MLflow's filters, and the errors that people read."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from runstone.model.errors import FilterError, Invalid
from runstone.model.query import (
    And,
    Attribute,
    Between,
    Compare,
    Duration,
    Expression,
    Field,
    Has,
    In,
    Like,
    Missing,
    Moment,
    Not,
    Or,
    Order,
    Text,
    parse,
    parse_order,
    terms,
)

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=timezone.utc)
MIDNIGHT = 1_795_392_000_000_000
DAY = 86_400_000_000
ACC = Field("metrics", "acc")
LR = Field("params", "lr")
STATUS = Attribute("status")
STARTED = Attribute("started")


def tree(text: str) -> Expression | None:
    return parse(text, now=NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.acc > 0.9 and params.lr = '0.01'", And((Compare(ACC, ">", 0.9), Compare(LR, "=", "0.01")))),
        (
            "tags.quality = 'fantastic run' and properties.author = 'azureml-user'",
            And(
                (
                    Compare(Field("tags", "quality"), "=", "fantastic run"),
                    Compare(Field("properties", "author"), "=", "azureml-user"),
                )
            ),
        ),
        ('has tags."worth another look"', Has(Field("tags", "worth another look"))),
        (
            "metrics.loss.min < 0.3 and status = completed and started > now - 7d",
            And(
                (
                    Compare(Field("metrics", "loss", "min", "loss.min"), "<", 0.3),
                    Compare(STATUS, "=", "Completed"),
                    Compare(
                        STARTED,
                        ">",
                        Moment(
                            "now - 7d",
                            MIDNIGHT + DAY // 48 * 25 - 7 * DAY,
                            MIDNIGHT + DAY // 48 * 25 - 7 * DAY + 1,
                        ),
                    ),
                )
            ),
        ),
        (
            "experiment = 'explore-runs' and (submitter = 'kim' or description contains 'baseline')",
            And(
                (
                    Compare(Attribute("experiment"), "=", "explore-runs"),
                    Or(
                        (
                            Compare(Attribute("submitter"), "=", "kim"),
                            Like(Attribute("description"), "contains", "baseline"),
                        )
                    ),
                )
            ),
        ),
        ("cuda error 700", Text(("cuda", "error", "700"))),
        ("params.lr < 0.1", Compare(LR, "<", 0.1)),
        ("status in (failed, canceled)", In(STATUS, ("Failed", "Canceled"))),
        ("depth = 0", Compare(Attribute("depth"), "=", 0)),
        ("root = 'id'", Compare(Attribute("root"), "=", "id")),
        ("missing params.lr", Missing(LR)),
        ("system.gpu.mean > 50", Compare(Field("system", "gpu", "mean", "gpu.mean"), ">", 50)),
    ],
)
def test_the_examples_of_the_contract_mean_what_it_says(text: str, expected: Expression) -> None:
    assert tree(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attributes.status = 'FINISHED'", Compare(STATUS, "=", "Completed")),
        ("attributes.status != 'KILLED'", Compare(STATUS, "!=", "Canceled")),
        ("status = 'RUNNING'", Compare(STATUS, "=", "Running")),
        ("attribute.status = 'SCHEDULED'", Compare(STATUS, "=", "scheduled")),
        ("attributes.start_time >= 1664067852747", Compare(STARTED, ">=", 1664067852747)),
        ("attr.end_time < 1664067852747", Compare(Attribute("ended"), "<", 1664067852747)),
        ("attributes.created > 1", Compare(Attribute("created"), ">", 1)),
        ("attributes.run_name = 'a'", Compare(Attribute("display_name"), "=", "a")),
        ('attributes."Run name" LIKE "a%"', Like(Attribute("display_name"), "like", "a%")),
        ("`run name` ILIKE '%A%'", Like(Attribute("display_name"), "ilike", "%A%")),
        ("run.user_id = 'kim'", Compare(Attribute("submitter"), "=", "kim")),
        ("attributes.run_id IN ('a', 'b')", In(Attribute("run_id"), ("a", "b"))),
        ("run_id NOT IN ('a')", In(Attribute("run_id"), ("a",), True)),
        ("metrics.`train/loss` <= 1e-3", Compare(Field("metrics", "train/loss"), "<=", 0.001)),
        ('metrics."cross-entropy" = 0', Compare(Field("metrics", "cross-entropy"), "=", 0)),
        ("metric.m > -1.5", Compare(Field("metrics", "m"), ">", -1.5)),
        ('params."batch size" = "2"', Compare(Field("params", "batch size"), "=", "2")),
        ("parameters.model LIKE 'GPT%'", Like(Field("params", "model"), "like", "GPT%")),
        ("tags.`any text` != 'x'", Compare(Field("tags", "any text"), "!=", "x")),
        ("tags.mlflow.parentRunId = '1'", Compare(Field("tags", "mlflow.parentRunId"), "=", "1")),
        ("tags.mlflow.source.type = 'JOB'", Compare(Field("tags", "mlflow.source.type"), "=", "JOB")),
        ("tags.team IS NULL", Missing(Field("tags", "team"))),
        ("tags.team is not null", Has(Field("tags", "team"))),
        ("datasets.name = 'mnist'", Compare(Field("datasets", "name"), "=", "mnist")),
        ("attributes.artifact_uri like 'aml%'", Like(Attribute("artifact_uri"), "like", "aml%")),
        (
            "metrics.a>1 AND params.b='x'",
            And((Compare(Field("metrics", "a"), ">", 1), Compare(Field("params", "b"), "=", "x"))),
        ),
        ("`metrics`.`a b` > 1", Compare(Field("metrics", "a b"), ">", 1)),
    ],
)
def test_a_filter_of_mlflow_means_the_same_here(text: str, expected: Expression) -> None:
    assert tree(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.loss", Field("metrics", "loss")),
        ("metrics.loss.last", Field("metrics", "loss", "last", "loss.last")),
        ('metrics."loss".min', Field("metrics", "loss", "min")),
        ('metrics."loss.min"', Field("metrics", "loss.min")),
        ("metrics.`loss.min`.max", Field("metrics", "loss.min", "max")),
        ("metrics.min", Field("metrics", "min")),
        ("metrics.a.b.count", Field("metrics", "a.b", "count", "a.b.count")),
        ("params.a.min", Field("params", "a.min")),
        ('tags."it is ""so"""', Field("tags", 'it is "so"')),
        ("METRICS.Loss", Field("metrics", "Loss")),
        ("Started", STARTED),
        ("attributes.run_number", Attribute("run_number")),
    ],
)
def test_a_field_is_read_with_its_group_name_and_reducer(text: str, expected: Field | Attribute) -> None:
    assert tree(f"has {text}") == Has(expected)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("+2.50", 2.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("1_000", 1000),
        ("inf", float("inf")),
        ("-Infinity", float("-inf")),
        ("1e400", float("inf")),
        (str(2**63 - 1), 2**63 - 1),
        ("9" * 400, float("inf")),
        ("true", True),
        ("null", None),
        ("resnet", "resnet"),
        ("'1'", "1"),
        ("'it''s'", "it's"),
        ('"say ""so"""', 'say "so"'),
        ("''", ""),
        ("2026-11-23", "2026-11-23"),
    ],
)
def test_a_value_is_read_as_python_writes_it(word: str, value: Any) -> None:
    found = tree(f"params.x = {word}")
    assert isinstance(found, Compare)
    assert (found.value, type(found.value)) == (value, type(value))


@pytest.mark.parametrize(
    ("word", "first", "length"),
    [
        ("now", MIDNIGHT + DAY // 48 * 25, 1),
        ("now - 90m", MIDNIGHT + 11 * DAY // 24, 1),
        ("now-1d", MIDNIGHT - DAY // 48 * 23, 1),
        ("now -1d", MIDNIGHT - DAY // 48 * 23, 1),
        ("now + 1h30m", MIDNIGHT + 14 * DAY // 24, 1),
        ("today", MIDNIGHT, DAY),
        ("TODAY - 1w", MIDNIGHT - 7 * DAY, DAY),
        ("'last 7 days'", MIDNIGHT + DAY // 48 * 25 - 7 * DAY, 7 * DAY + 1),
        ("'Last 24h'", MIDNIGHT + DAY // 48 * 25 - DAY, DAY + 1),
        ('"2026-11-23"', MIDNIGHT, DAY),
        ("2026-11-23", MIDNIGHT, DAY),
        ("'2026-11-23T07:20:00Z'", MIDNIGHT + 440 * 60_000_000, 1_000_000),
        ("'2026-11-23 16:20+09:00'", MIDNIGHT + 440 * 60_000_000, 60_000_000),
        ("'2026-11-23T07:20:00.123456789Z'", MIDNIGHT + 440 * 60_000_000 + 123_456, 1),
    ],
)
def test_a_time_covers_what_it_says(word: str, first: int, length: int) -> None:
    found = tree(f"started > {word}")
    assert isinstance(found, Compare)
    assert isinstance(found.value, Moment)
    assert (found.value.first, found.value.after - found.value.first) == (first, length)


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("1h30m", 5400), ("'250ms'", 0.25)],
)
def test_a_duration_is_read_in_seconds(word: str, seconds: float) -> None:
    assert tree(f"duration >= {word}") == Compare(
        Attribute("duration"), ">=", Duration(word.strip("'"), seconds)
    )


def test_key_words_are_read_in_any_case_and_bind_as_one_expects() -> None:
    a, b, c = (Compare(Field("params", name), "=", 1) for name in "abc")
    assert tree("params.a = 1 OR params.b = 1 AND NOT params.c = 1") == Or((a, And((b, Not(c)))))
    assert tree("(params.a == 1 or params.b = 1) and params.c = 1") == And((Or((a, b)), c))
    assert tree("((params.a = 1) and (params.b = 1)) and params.c = 1") == And((a, b, c))
    assert tree("not not (params.a = 1)") == Not(Not(a))


def test_between_keeps_its_own_and() -> None:
    assert tree("metrics.acc BETWEEN 0.1 AND 0.9 and params.lr = '1'") == And(
        (Between(ACC, 0.1, 0.9), Compare(LR, "=", "1"))
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("baseline", ("baseline",)),
        ("'worth another look' baseline", ("worth another look", "baseline")),
        ("error not found in has", ("error", "not", "found", "in", "has")),
        ("this has a name", ("this", "has", "a", "name")),
        ("can't allocate 3.5GB", ("can't", "allocate", "3.5GB")),
        ("status", ("status",)),
        ("한국어 학습", ("한국어", "학습")),
        ("'and' 'not'", ("and", "not")),
        ("train.py:12 ValueError!", ("train.py:12", "ValueError!")),
        ("gap between runs", ("gap", "between", "runs")),
    ],
)
def test_words_without_an_operator_are_text(text: str, words: tuple[str, ...]) -> None:
    assert tree(text) == Text(words)


def test_text_stands_beside_comparisons() -> None:
    assert tree("cuda error and status = failed") == And(
        (Text(("cuda", "error")), Compare(STATUS, "=", "Failed"))
    )


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_an_empty_filter_is_everything(text: str) -> None:
    assert parse(text) is None
    assert parse_order(text) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.acc >", "at 14: expected a value after '>'"),
        ("acuracy > 1", "at 1: unknown field 'acuracy' (did you mean metrics.acuracy or params.acuracy?)"),
        ("stauts = failed", "at 1: unknown field 'stauts' (did you mean 'status'?)"),
        ("metrisc.acc > 1", "at 1: unknown group 'metrisc' (did you mean 'metrics'?)"),
        ("status = complted", "at 10: unknown status 'complted' (did you mean 'completed'?)"),
        ("metrics.acc > 'high'", "at 15: metrics.acc is compared with a number, not with the text 'high'"),
        (
            "metrics.acc > '0.9'",
            "at 15: metrics.acc is compared with a number, not with the text '0.9': write 0.9 without quotes",
        ),
        (
            "metrics.acc like 'x'",
            "at 13: metrics.acc is not compared by 'like'; a number knows !=, <, <=, =, >, >=, between, in",
        ),
        ("status > failed", "at 8: status is not compared by '>'; a status knows !=, =, in, like"),
        (
            "started > 7d",
            "at 11: started is compared with a time, like \"2026-11-23\", now - 7d or today, not with '7d'",
        ),
        ("archived = 3", "at 12: archived is compared with true or false, not with '3'"),
        ("(metrics.acc > 1", "at 1: this '(' is never closed"),
        ("metrics.acc > 1)", "at 16: this ')' closes nothing"),
        ("params.a = 'x", "at 12: the quote ' is never closed"),
        ("metrics.acc", "at 12: expected an operator after 'metrics.acc', like = or >; text goes in quotes"),
        ("cuda status = failed", "at 6: expected 'and' or 'or' before 'status'"),
        ("status = failed cuda", "at 17: expected 'and', 'or' or the end before 'cuda'"),
        ("and status = failed", "at 1: expected a comparison, like metrics.acc > 0.9, or text before 'and'"),
        ("status = failed and", "at 20: expected a comparison, like metrics.acc > 0.9, or text"),
        ("has", "at 4: expected a field after 'has', like tags.quality"),
        ("has colour", "at 5: 'colour' is no field; write tags.name, or put text in quotes"),
        ("params.a in ()", "at 14: expected a value after '(': a text in quotes or a number, not ')'"),
        ("params.a in (1 2)", "at 16: expected ',' or ')' in the list of values"),
        ("metrics.a between 1", "at 20: expected 'and' and the upper value of 'between'"),
        ("params.a < null", "at 10: null is compared by = and !=, not by '<'"),
        ('metrics."" > 1', "at 9: an empty name names nothing; write one after 'metrics.'"),
        ("attributes.statsu = 1", "at 1: unknown attribute 'statsu' (did you mean 'status'?)"),
        ("a\x00b", "at 2: the control character U+0000 is in no text; remove it"),
    ],
)
def test_an_error_names_the_place_and_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert str(caught.value) == message
    assert caught.value.position == int(message.split(":")[0].removeprefix("at ")) - 1
    assert isinstance(caught.value, Invalid)


def test_positions_of_names_are_kept_for_warnings() -> None:
    found = tree("status = failed and metrics.acc > 1")
    field = [term.field for term in terms(found) if isinstance(term, Compare)][1]
    assert isinstance(field, Field)
    assert (field.at, field.name_at) == (20, 28)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.acc desc, started", (Order(ACC, True), Order(STARTED))),
        ("params.lr ASC NULLS FIRST", (Order(LR, False, "first"),)),
        ("metrics.loss.min desc nulls last", (Order(Field("metrics", "loss", "min", "loss.min"), True),)),
        (
            'tags."a, b" desc, attributes.start_time DESC',
            (Order(Field("tags", "a, b"), True), Order(STARTED, True)),
        ),
    ],
)
def test_an_order_is_read_key_by_key(text: str, expected: tuple[Order, ...]) -> None:
    assert parse_order(text) == expected
    assert parse_order(", ".join(map(str, expected))) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "at 1: unknown field 'foo' (did you mean metrics.foo or params.foo?)"),
        ("metrics.acc,", "at 13: expected a field to order by"),
        ("metrics.acc down", "at 13: expected asc, desc, nulls first, nulls last or ',' before 'down'"),
        ("metrics.acc nulls", "at 18: expected first or last after 'nulls'"),
        ("started > 1", "at 9: expected asc, desc, nulls first, nulls last or ',' before '>'"),
        (", ".join(["started"] * 17), "at 1: an order has at most 16 keys; this one has 17"),
    ],
)
def test_a_wrong_order_is_told_like_a_wrong_filter(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_order(text)
    assert str(caught.value) == message
