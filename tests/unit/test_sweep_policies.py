"""Policies of early termination: who is ended, when, and who never is."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstone.model.errors import HyperDriveException
from runstone.sdk.sweeps import (
    BanditPolicy,
    EarlyTerminationPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
)
from runstone.sdk.sweeps.policies import Curves, policy

LOGGED = st.dictionaries(
    st.sampled_from("abcde"), st.lists(st.floats(-100, 100), min_size=1, max_size=6), min_size=1
)


def ended(of: EarlyTerminationPolicy, interval: int, sign: float = 1.0, **logged: list[float]) -> set[str]:
    """Who is ended at an interval."""
    curves = Curves.of(logged, sign=sign)
    return {run for run in logged if of.verdict(run, interval, curves) is not None}


@pytest.mark.parametrize(
    ("interval", "delay", "intervals"),
    [(1, 0, [1, 2, 3, 4, 5, 6]), (2, 0, [2, 4, 6]), (1, 5, [5, 6]), (2, 5, [6]), (3, 3, [3, 6]), (4, 5, [])],
)
def test_a_policy_looks_at_every_multiple_from_the_delay_on(interval: int, delay: int, intervals: list[int]):
    assert list(MedianStoppingPolicy(interval, delay).due(6)) == intervals


def test_no_interval_is_looked_at_twice():
    assert list(BanditPolicy(2, slack_factor=0.1).due(7, since=4)) == [6]
    assert list(BanditPolicy(2, slack_factor=0.1).due(6, since=6)) == []


def test_the_bandit_ends_who_is_beyond_a_ratio_of_the_best():
    bandit = BanditPolicy(slack_factor=0.2)
    # the original's example: with 0.8 the best, the limit is 0.8 / 1.2
    assert ended(bandit, 2, best=[0.5, 0.8], within=[0.67, 0.1], beyond=[0.5, 0.66]) == {"beyond"}
    assert ended(bandit, 1, -1.0, best=[0.8], within=[0.95], beyond=[0.97]) == {"beyond"}


def test_the_bandit_ends_who_is_beyond_an_amount_of_the_best():
    assert ended(BanditPolicy(slack_amount=0.1), 1, best=[0.8], within=[0.71], beyond=[0.69]) == {"beyond"}
    assert ended(BanditPolicy(slack_amount=0.1), 1, -1.0, best=[0.8], within=[0.89], beyond=[0.91]) == {
        "beyond"
    }


def test_the_bandit_with_negative_values_ends_the_worse_too():
    bandit = BanditPolicy(slack_factor=0.5)
    assert ended(bandit, 1, best=[-1.0], within=[-1.4], beyond=[-1.6]) == {"beyond"}
    assert ended(bandit, 1, -1.0, best=[-3.0], within=[-2.1], beyond=[-1.9]) == {"beyond"}


def test_the_bandit_compares_what_was_logged_up_to_the_interval():
    bandit = BanditPolicy(slack_factor=0.1)
    assert ended(bandit, 1, late=[0.5, 0.9], early=[0.5, 0.5]) == set()
    assert ended(bandit, 2, late=[0.5, 0.9], early=[0.5, 0.5]) == {"early"}


def test_the_median_policy_compares_the_best_with_the_median_of_averages():
    median = MedianStoppingPolicy()
    # averages up to 2: 0.2, 0.5, 0.8; the median is 0.5
    assert ended(median, 2, low=[0.1, 0.3], middle=[0.4, 0.6, 0.0], high=[0.8, 0.8]) == {"low"}
    assert ended(median, 2, -1.0, low=[0.1, 0.3], middle=[0.4, 0.6], high=[0.8, 0.8]) == {"high"}
    assert ended(median, 1, alone=[0.1]) == set()


def test_a_nan_among_its_values_does_not_count_in_a_runs_average():
    # averages: 0.8, 0.7, 0.2
    runs = {"high": [0.8, 0.8], "holed": [0.7, math.nan], "low": [0.2, 0.2]}
    assert ended(MedianStoppingPolicy(), 2, **runs) == {"low"}


def test_truncation_ends_the_lowest_of_those_that_came_as_far():
    lowest = TruncationSelectionPolicy(40)
    runs: dict[str, Any] = {"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4], "e": [0.5]}
    assert ended(lowest, 1, **runs) == {"a", "b"}
    assert ended(lowest, 1, -1.0, **runs) == {"d", "e"}
    # of two, 40 % is nobody; those with one report are no match for those with two
    assert ended(lowest, 2, a=[0.1, 0.1], b=[0.2, 0.2]) == set()
    curves = Curves.of({"a": [0.1, 0.1], "b": [0.2, 0.2], "young": [0.0]})
    assert TruncationSelectionPolicy(50).verdict("a", 2, curves) is not None
    assert TruncationSelectionPolicy(50).verdict("b", 2, curves) is None


def test_truncation_may_leave_out_those_that_have_ended():
    curves = Curves.of({"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4]}, ended=["c", "d"])
    assert TruncationSelectionPolicy(50).verdict("b", 1, curves) is not None
    assert TruncationSelectionPolicy(50, exclude_finished_jobs=True).verdict("b", 1, curves) is None


def test_equals_are_not_among_the_lowest():
    assert ended(TruncationSelectionPolicy(50), 1, a=[0.5], b=[0.5], c=[0.5], d=[0.5]) == set()


def test_a_run_that_logs_no_number_is_worse_than_every_other():
    for of in (BanditPolicy(slack_factor=5), MedianStoppingPolicy(), TruncationSelectionPolicy(34)):
        assert ended(of, 1, nan=[math.nan], good=[1.0], better=[2.0]) == {"nan"}
        assert ended(of, 1, a=[math.nan], b=[math.inf]) == set()


@given(LOGGED, st.integers(1, 6), st.sampled_from([1.0, -1.0]))
def test_the_best_is_never_ended(logged: dict[str, list[float]], interval: int, sign: float):
    curves = Curves.of(logged, sign=sign)
    best = max(logged, key=lambda run: curves.best(run, interval))
    for of in (BanditPolicy(slack_factor=0.1), BanditPolicy(slack_amount=0), MedianStoppingPolicy()):
        assert of.verdict(best, interval, curves) is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: BanditPolicy(), "either a slack_factor or a slack_amount; got None and None"),
        (lambda: BanditPolicy(slack_factor=0.1, slack_amount=1), "either a slack_factor or a slack_amount"),
        (lambda: BanditPolicy(slack_factor=-0.1), "slack_factor is a number from 0 on; got -0.1"),
        (lambda: BanditPolicy(slack_amount="much"), "slack_amount is a number; got 'much'"),  # type: ignore[arg-type]
        (lambda: BanditPolicy(0, 0.1), "evaluation_interval is a whole number from 1 on; got 0"),
        (lambda: MedianStoppingPolicy(1, -1), "delay_evaluation is a whole number from 0 on; got -1"),
        (lambda: TruncationSelectionPolicy(0), "truncation_percentage is a whole number from 1 to 99; got 0"),
        (lambda: TruncationSelectionPolicy(100), "got 100"),
        (lambda: TruncationSelectionPolicy(1.5), "got 1.5"),  # type: ignore[arg-type]
    ],
)
def test_policies_that_cannot_be_are_refused(make: Any, said: str):
    with pytest.raises(HyperDriveException) as caught:
        make()
    assert said in caught.value.message


@pytest.mark.parametrize(
    "made",
    [
        BanditPolicy(2, slack_amount=0.1, delay_evaluation=3),
        MedianStoppingPolicy(2, 3),
        TruncationSelectionPolicy(20, exclude_finished_jobs=True),
        NoTerminationPolicy(),
    ],
    ids=lambda made: type(made).__name__,
)
def test_a_policy_survives_its_document(made: EarlyTerminationPolicy):
    again = policy(json.loads(json.dumps(made.document())))
    assert type(again) is type(made)
    assert repr(again) == repr(made)
