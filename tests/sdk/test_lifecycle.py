"""A run's states, from its start to its end (2, 4.2, 7)."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runstone import Experiment, Run
from runstone.exceptions import ActivityFailedException, UserErrorException

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ENDS: dict[str, Callable[[Run], None]] = {
    "Completed": lambda run: run.complete(),
    "Failed": lambda run: run.fail("why"),
    "Canceled": lambda run: run.cancel(),
}


def test_a_run_is_running_at_once_and_nothing_is_printed(
    experiment: Experiment, capfd: pytest.CaptureFixture[str]
) -> None:
    run = experiment.start_logging()
    assert run.status == run.get_status() == "Running"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", ENDS)
def test_a_run_ends_in_one_of_three_ways(experiment: Experiment, run: Run, status: str) -> None:
    ENDS[status](run)
    assert run.status == status
    assert Run(experiment, run.id).get_status() == status
    details = run.get_details()
    assert TIME.fullmatch(details["startTimeUtc"])
    assert TIME.fullmatch(details["endTimeUtc"])
    assert details["endTimeUtc"] >= details["startTimeUtc"]


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_the_first_end_stays_and_another_is_a_warning(
    experiment: Experiment, run: Run, first: str, second: str
) -> None:
    ENDS[first](run)
    if first == second:
        ENDS[second](run)
    else:
        with pytest.warns(RuntimeWarning, match=f"is {first} already; .* does not become {second}") as told:
            ENDS[second](run)
        # the script's own line is shown, and none of ours
        assert told[0].filename == __file__
    assert run.get_status() == Run(experiment, run.id).get_status() == first
    assert run.get_details().get("error", {}).get("error", {}).get("message") == {
        "Completed": None,
        "Failed": "why",
        "Canceled": "Canceled by the user.",
    }.get(first)


def test_a_second_handle_cannot_change_the_end(experiment: Experiment, run: Run) -> None:
    stale = Run(experiment, run.id)
    run.complete()
    assert stale.status == "Running"
    with pytest.warns(RuntimeWarning, match="is Completed already"):
        stale.fail("too late")
    assert stale.status == "Completed"


def test_completing_may_leave_the_status_alone(run: Run) -> None:
    run.complete(_set_status=False)
    run.fail("x", _set_status=False)
    assert run.get_status() == "Running"


def test_a_failure_keeps_text_and_code(run: Run) -> None:
    run.fail(error_details="no data", error_code="NoData")
    assert run.get_details()["error"]["error"]["code"] == "NoData"
    assert run.get_details()["error"]["error"]["message"] == "no data"
    assert run.get_detailed_status() == {"status": "Failed", "details": "no data"}


def test_a_failure_without_details_has_a_code(run: Run) -> None:
    run.fail()
    assert run.get_details()["error"]["error"]["code"] == "UserError"
    assert run.get_detailed_status() == {"status": "Failed", "details": None}


def test_a_failure_keeps_an_exception_with_its_traceback(run: Run) -> None:
    try:
        raise ValueError("bad")
    except ValueError as error:
        run.fail(error)
    error_document = run.get_details()["error"]["error"]
    assert error_document["message"] == "User program failed with ValueError: bad"
    assert error_document["detailsUri"] == "https://aka.ms/azureml-run-troubleshooting"
    assert 'raise ValueError("bad")' in error_document["traceback"]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ("\x1b[31mred\x1b[0m\0", "red"),
        (ValueError("\0nul\x1b[1m"), "nul"),
        (ValueError("x" * 20_000), "xxx"),
        (Unspeakable(), "Unspeakable"),
        (ValueError("\ud800 lone"), "lone"),
        ({"any": "thing"}, "{'any': 'thing'}"),
        (b"bytes", "bytes"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_went_wrong_the_run_fails_all_the_same(run: Run, details: Any, message: str) -> None:
    run.fail(details)
    found = run.get_details()["error"]["error"]["message"]
    assert run.get_status() == "Failed"
    assert message in found
    assert "\0" not in found
    assert "\x1b" not in found


def test_details_have_the_keys_of_the_original(run: Run) -> None:
    run.add_properties({"p": "1"})
    running = run.get_details()
    assert running == {
        "runId": run.id,
        "target": "local",
        "status": "Running",
        "startTimeUtc": running["startTimeUtc"],
        "services": {},
        "properties": {"p": "1"},
        "inputDatasets": [],
        "outputDatasets": [],
        "logFiles": {},
        "submittedBy": running["submittedBy"],
    }
    run.upload_file("logs/x.txt", io.BytesIO("출력\n".encode()))
    run.upload_file("outputs/x.txt", io.BytesIO(b"no log"))
    run.complete()
    ended = run.get_details()
    assert set(ended) == {*running, "endTimeUtc"}
    assert list(ended["logFiles"]) == ["logs/x.txt"]
    assert ended["logFiles"]["logs/x.txt"].endswith("/logs/x.txt")
    assert run.get_details_with_logs() == {**ended, "logFiles": {"logs/x.txt": "출력\n"}}


def test_a_child_that_has_not_started_has_no_times(run: Run) -> None:
    (child,) = run.create_children(1)
    details = child.get_details()
    assert details["status"] == "NotStarted"
    assert not {"startTimeUtc", "endTimeUtc", "error"} & set(details)


def test_waiting_gives_the_details(run: Run) -> None:
    threading.Timer(0.2, lambda: Run(run.experiment, run.id).complete()).start()
    assert run.wait_for_completion()["status"] == "Completed"


def test_waiting_for_a_failed_run_raises_unless_told_not_to(run: Run) -> None:
    run.fail("no data", error_code="NoData")
    with pytest.raises(ActivityFailedException) as caught:
        run.wait_for_completion()
    assert str(caught.value).startswith("Activity Failed:\n{")
    assert '"code": "NoData"' in str(caught.value)
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"


def test_waiting_for_a_canceled_run_does_not_raise(run: Run) -> None:
    run.cancel()
    assert run.wait_for_completion(show_output=False)["status"] == "Canceled"


def test_the_output_that_is_shown_has_the_lines_that_people_parse(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.upload_file("user_logs/std_log.txt", io.BytesIO(b"epoch 1\n"))
    run.complete()
    run.wait_for_completion(show_output=True)
    url = run.get_portal_url()
    assert capsys.readouterr().out == (
        f"RunId: {run.id}\nWeb View: {url}\n\n"
        "Streaming user_logs/std_log.txt\n===============================\n\nepoch 1\n\n"
        f"Execution Summary\n=================\nRunId: {run.id}\nWeb View: {url}\n\n"
    )


def test_the_error_is_shown_when_it_does_not_raise(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.fail("no data")
    run.wait_for_completion(show_output=True, raise_on_error=False)
    assert '\nError:\n{\n    "error": {\n' in capsys.readouterr().out
    with pytest.raises(ActivityFailedException):
        run.wait_for_completion(show_output=True)


def test_a_child_that_was_created_is_started(run: Run) -> None:
    (child,) = run.create_children(1)
    child.start()
    child.start()
    assert child.status == "Running"
    assert "startTimeUtc" in child.get_details()
    child.complete()
    assert child.get_status() == "Completed"


def test_a_run_that_has_ended_is_not_started_again(run: Run) -> None:
    run.complete()
    with pytest.raises(UserErrorException, match="Completed already"):
        run.start()
    assert run.get_status() == "Completed"


def test_a_block_completes_and_keeps_what_was_printed(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    with experiment.start_logging() as run:
        print("in the block")
        sys.stdout.write("without an end")
        sys.stdout.writelines([" of line", " 출력\n"])
    print("after it")
    kept = "in the block\nwithout an end of line 출력\n"
    assert capsys.readouterr().out == kept + "after it\n"
    assert run.get_status() == "Completed"
    assert run.get_file_names() == ["logs/user_log.txt"]
    assert run.get_details_with_logs()["logFiles"] == {"logs/user_log.txt": kept}


def test_a_silent_block_keeps_no_log(experiment: Experiment) -> None:
    with experiment.start_logging() as run:
        run.log("a", 1)
    assert run.get_file_names() == []


@pytest.mark.parametrize("ending", ["peace", "exception"])
def test_logs_that_a_block_writes_are_kept(experiment: Experiment, project: Path, ending: str) -> None:
    (project / "logs" / "deep").mkdir(parents=True)
    (project / "logs" / "old.txt").write_text("of yesterday")
    os.utime(project / "logs" / "old.txt", (1, 1))
    run = experiment.start_logging()
    with suppress(ValueError), run:
        (project / "logs" / "deep" / "new.txt").write_text("new")
        if ending == "exception":
            raise ValueError
    assert run.get_file_names() == ["logs/deep/new.txt"]


def test_an_exception_leaves_the_block_and_fails_the_run(experiment: Experiment) -> None:
    run = experiment.start_logging()
    with pytest.raises(ValueError, match="inner"), run:  # noqa: PT012
        print("so far")
        raise ValueError("inner")
    error = run.get_details()["error"]["error"]
    assert (error["code"], error["message"]) == ("UserError", "User program failed with ValueError: inner")
    assert "test_an_exception_leaves_the_block" in error["traceback"]
    assert run.get_details_with_logs()["logFiles"] == {"logs/user_log.txt": "so far\n"}


@pytest.mark.parametrize(
    ("leaving", "status"),
    [
        (KeyboardInterrupt(), "Canceled"),
        (SystemExit(0), "Completed"),
        (SystemExit(), "Completed"),
        (SystemExit(3), "Failed"),
        (SystemExit("why"), "Failed"),
        (GeneratorExit(), "Failed"),
    ],
    ids=repr,
)
def test_a_block_ends_as_the_script_ends(experiment: Experiment, leaving: BaseException, status: str) -> None:
    run = experiment.start_logging()
    with pytest.raises(type(leaving)), run:
        raise leaving
    assert run.get_status() == status


def test_a_run_that_was_ended_within_its_block_stays_so(experiment: Experiment) -> None:
    with experiment.start_logging() as run:
        run.complete()
    assert run.get_status() == "Completed"
    other = experiment.start_logging()
    with pytest.warns(RuntimeWarning, match="is Canceled already"), other:
        other.cancel()
    assert other.get_status() == "Canceled"


def test_blocks_are_nested(experiment: Experiment) -> None:
    with experiment.start_logging() as run:
        print("outer")
        with run.child_run("part1") as child:
            print("inner")
    logs = [one.get_details_with_logs()["logFiles"]["logs/user_log.txt"] for one in (run, child)]
    assert logs == ["outer\ninner\n", "inner\n"]
    assert (run.get_status(), child.get_status()) == ("Completed", "Completed")


def test_a_block_starts_a_child_that_had_not_started(run: Run) -> None:
    for child in run.create_children(2):
        with child:
            assert child.status == "Running"
        assert child.get_status() == "Completed"


def test_parent_and_children_end_on_their_own(run: Run) -> None:
    failed, canceled, open_end = run.child_run(), run.child_run(), run.child_run()
    failed.fail("x")
    canceled.cancel()
    run.complete()
    assert [one.get_status() for one in (run, failed, canceled, open_end)] == [
        "Completed",
        "Failed",
        "Canceled",
        "Running",
    ]


def test_logging_in_a_block_to_a_stream_that_outlives_it_goes_on(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    with experiment.start_logging():
        kept = sys.stdout
        print("inside")
    kept.write("outside\n")
    kept.flush()
    assert capsys.readouterr().out == "inside\noutside\n"


def test_what_a_log_cannot_take_does_not_stop_the_script(
    experiment: Experiment, history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (history / "spool").write_text("in the way")
    with experiment.start_logging() as run:
        print("shown")
        print("\ud800 a lone surrogate".encode("utf-8", "replace").decode())
    assert run.get_status() == "Completed"
    assert capsys.readouterr().out.startswith("shown\n")
