"""Tags, properties, parameters, display name and description of a run (4.6, 4.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from runstone import Experiment, Run
from runstone.exceptions import ServiceException, UserErrorException


@pytest.fixture
def again(experiment: Experiment, run: Run) -> Run:
    """Another handle on the same run."""
    return Run(experiment, run.id)


def test_a_tag_has_a_value_or_none(run: Run, again: Run) -> None:
    run.tag("quality", "fantastic run")
    run.tag("worth another look")
    run.tag("quality", "good")
    assert run.tags == again.get_tags() == again.tags == {"quality": "good", "worth another look": None}


@pytest.mark.parametrize(
    ("value", "kept"), [(1, "1"), (True, "True"), (0.5, "0.5"), (np.int64(3), "3"), (Decimal("0.1"), "0.1")]
)
def test_other_values_become_text_with_a_warning(
    run: Run, value: Any, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    run.tag("ki", value)
    assert run.get_tags() == {"ki": kept}
    assert f"Converting non-string tag to string: (ki: {kept})" in caplog.text
    run.add_properties({"kp": value})
    assert run.get_properties()["kp"] == kept
    assert f"Converting non-string property to string: (kp: {kept})" in caplog.text


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"a": "1", "b": None}, {"old": "x", "a": "1", "b": None}),
        ({"old": "y"}, {"old": "y"}),
        ("alone", {"old": "x", "alone": None}),
        ('{"a": "1"}', {"old": "x", "a": "1"}),
        ("{not json", {"old": "x", "{not json": None}),
        ({}, {"old": "x"}),
    ],
)
def test_tags_are_merged(run: Run, again: Run, tags: Any, found: dict[str, str | None]) -> None:
    run.tag("old", "x")
    run.set_tags(tags)
    assert run.tags == again.get_tags() == found


@pytest.mark.parametrize("tags", [["a"], 5, None])
def test_tags_of_another_form_are_refused(run: Run, tags: Any) -> None:
    with pytest.raises(UserErrorException, match="given as a dict"):
        run.set_tags(tags)


def test_removing_tags_gives_those_that_remain(run: Run, again: Run) -> None:
    run.set_tags({"a": "1", "b": "2", "c": None})
    assert run.remove_tags(["a", "not there"]) == {"b": "2", "c": None}
    assert run.remove_tags("b") == {"c": None}
    assert run.remove_tags(["c"]) == again.get_tags() == {}


def test_properties_are_added_once(run: Run, again: Run) -> None:
    run.add_properties({"author": "azureml-user", "accuracy": 0.5})
    run.add_properties({"author": "azureml-user"})
    run.add_properties({"other": None})
    assert again.get_properties() == run.properties
    assert run.properties == {"author": "azureml-user", "accuracy": "0.5", "other": "None"}


def test_a_property_with_another_value_is_refused_and_the_whole_call_with_it(run: Run) -> None:
    run.add_properties({"author": "kim"})
    with pytest.raises(UserErrorException, match="author") as caught:
        run.add_properties({"new": "1", "author": "lee"})
    assert isinstance(caught.value, ServiceException)
    assert caught.value.status_code == 409
    assert "'kim'" in str(caught.value)
    assert run.get_properties() == {"author": "kim"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: setattr(run, "display_name", 5), "display name is a text; got 5"),
        (lambda run: setattr(run, "description", ["a"]), "description is a text"),
        (lambda run: run.remove_tags(None), "given as a list"),
        (lambda run: run.log_params(["a"]), "given as a dict"),
        (lambda run: run.experiment.start_logging(params="lr=1"), "given as a dict"),
        (lambda run: run.experiment.start_logging(display_name=5), "display name is a text; got 5"),
        (lambda run: run.experiment.start_logging(properties=["a"]), "given as a dict"),
    ],
)
def test_a_wrong_kind_of_argument_is_told_so_at_the_call(run: Run, call: Any, message: str) -> None:
    with pytest.raises(UserErrorException, match=message):
        call(run)
    assert len(list(run.experiment.get_runs(include_children=True))) == 1


@pytest.mark.parametrize("properties", ["text", ["a"], None])
def test_properties_of_another_form_are_refused(run: Run, properties: Any) -> None:
    with pytest.raises(UserErrorException, match="given as a dict"):
        run.add_properties(properties)


def test_parameters_are_kept_as_text_and_never_changed(run: Run, again: Run) -> None:
    run.log_params({"lr": 0.01, "layers": [64, 32], "name": None, "depth": np.int64(3), 7: True})
    run.log_params({"lr": 0.01})
    found = {"lr": "0.01", "layers": "[64, 32]", "name": "None", "depth": "3", "7": "True"}
    assert run.get_params() == again.get_params() == found
    with pytest.raises(UserErrorException, match="lr"):
        run.log_params({"new": 1, "lr": 0.1})
    with pytest.raises(UserErrorException, match="given as a dict"):
        run.log_params("lr=0.01")  # type: ignore[arg-type]
    assert run.get_params() == found


@pytest.mark.parametrize(
    ("call", "limit", "size"),
    [
        (lambda run: run.tag("k" * 251, "v"), "Limit=250", "Size=251"),
        (lambda run: run.tag("k", "v" * 5_001), "Limit=5,000", "Size=5,001"),
        (lambda run: run.add_properties({"fine": "v", "k" * 251: "v"}), "Limit=250", "Size=251"),
        (lambda run: run.add_properties({"fine": "v", "k": "v" * 5_001}), "Limit=5,000", "Size=5,001"),
        (lambda run: run.log_params({"fine": 1, "k": "v" * 5_001}), "Limit=5,000", "Size=5,001"),
        (lambda run: setattr(run, "display_name", "x" * 1_025), "Limit=1,024", "Size=1,025"),
        (lambda run: setattr(run, "description", "x" * 65_537), "Limit=65,536", "Size=65,537"),
        (lambda run: run.fail("x" * 16_385), "Limit=16,384", "Size=16,385"),
    ],
)
def test_a_limit_is_named_with_the_size_and_nothing_is_half_written(
    run: Run, call: Any, limit: str, size: str
) -> None:
    with pytest.raises(UserErrorException) as caught:
        call(run)
    assert limit in caught.value.message
    assert size in caught.value.message
    assert (run.get_tags(), run.get_properties(), run.get_params()) == ({}, {}, {})
    assert (run.display_name, run.description, run.get_status()) == (run.id, None, "Running")


def test_what_is_within_the_limits_is_kept_whole(run: Run, again: Run) -> None:
    run.set_tags({"k" * 250: "v" * 5_000} | {f"tag {number}": "x" for number in range(200)})
    run.description = "# Markdown\n\n" + "x" * 65_000
    run.display_name = "이름 " * 200
    again.get_tags()
    assert again.tags["k" * 250] == "v" * 5_000
    assert len(again.tags) == 201
    assert again.description == run.description
    assert again.display_name == "이름 " * 200


@pytest.mark.parametrize("key", ["", "nul\0", "two\nlines"])
def test_a_key_that_names_nothing_is_refused(run: Run, key: str) -> None:
    for call in (run.tag, lambda key: run.add_properties({key: "v"}), lambda key: run.log_params({key: "v"})):
        with pytest.raises(UserErrorException):
            call(key)
    assert run.get_tags() == {}


def test_the_display_name_is_the_id_until_one_is_given(experiment: Experiment, run: Run) -> None:
    assert run.display_name == run.id
    run.display_name = "first try"
    assert Run(experiment, run.id).display_name == "first try"
    run.display_name = None  # type: ignore[assignment]
    assert Run(experiment, run.id).display_name == run.id
    assert experiment.start_logging(display_name="given").display_name == "given"


def test_the_description_can_be_set_and_removed(experiment: Experiment, run: Run) -> None:
    assert run.description is None
    run.description = "**what** it is"
    assert Run(experiment, run.id).description == "**what** it is"
    run.description = None
    assert Run(experiment, run.id).description is None


def test_what_is_read_cannot_be_changed_by_the_way(run: Run) -> None:
    run.tag("a", "1")
    run.tags["b"] = "2"
    run.properties["p"] = "2"
    run.get_params()["q"] = "3"
    assert (run.tags, run.properties, run.get_params()) == ({"a": "1"}, {}, {})


def test_a_run_starts_with_what_it_was_given(experiment: Experiment) -> None:
    run = experiment.start_logging(
        tags={"t": "1", "key only": None}, properties={"p": 2}, params={"lr": 0.1}, description="why"
    )
    child = run.child_run(tags={"t": "2"}, params={"lr": 0.2}, display_name="part")
    assert (run.get_tags(), run.get_properties(), run.get_params()) == (
        {"t": "1", "key only": None},
        {"p": "2"},
        {"lr": "0.1"},
    )
    assert run.description == "why"
    assert (child.tags, child.get_params(), child.display_name) == ({"t": "2"}, {"lr": "0.2"}, "part")
    assert experiment.start_logging(tags="alone").tags == {"alone": None}
    assert experiment.start_logging(tags='{"a": "1"}', properties={"p": None}).properties == {"p": "None"}
    with pytest.raises(UserErrorException, match="nonsense"):
        experiment.start_logging(nonsense=1)
