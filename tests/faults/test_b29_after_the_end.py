"""b29: log() after the end, an end twice or in a forked child, daemon threads, interpreters shutting down."""

from __future__ import annotations

import pytest

from runstone import Run
from tests.scripts import Stage, error_of, points, quality


def clean(stage: Stage, script: str) -> Run:
    ended = stage.run(script)
    assert (ended.returncode, ended.stderr) == (0, "")
    return stage.see()


def test_what_is_logged_after_the_end_is_kept_and_counted_as_late(stage: Stage):
    script = """
run = begin()
run.log("loss", 1.0)
run.complete()
for i in range(100):
    run.log("loss", 2.0 + i)
run.log_row("rows", a=1)
"""
    run = clean(stage, script)
    assert run.status == "Completed"
    assert run.get_metrics("loss") == {"loss": [1.0, *(2.0 + i for i in range(100))]}
    assert quality(run) == {"late": 101}
    assert stage.left() == []


@pytest.mark.parametrize("first", ["complete", "fail", "cancel"])
@pytest.mark.parametrize("second", ["complete", "fail", "cancel"])
def test_the_first_end_stays_and_another_is_at_most_a_warning(stage: Stage, first: str, second: str):
    script = f"run = begin()\nrun.log('loss', 1.0)\nrun.{first}()\nrun.{second}()\nrun.{second}()\n"
    ended = stage.run(script)
    assert ended.returncode == 0
    assert ("stays so" in ended.stderr) == (first != second)
    assert "Traceback" not in ended.stderr
    ends = {"complete": "Completed", "fail": "Failed", "cancel": "Canceled"}
    assert stage.see().status == ends[first]


@pytest.mark.parametrize(
    "end", ["sys.exit(0)", "os._exit(0)", "raise ValueError", "os.kill(os.getpid(), 15)"]
)
def test_the_end_of_a_forked_child_is_not_the_end_of_the_run(stage: Stage, end: str):
    script = f"""
run = begin()
run.log("loss", 1.0)
if not os.fork():
    run.log("child", 1.0)
    {end}
os.wait()
assert run.get_status() == "Running", run.status
run.log("loss", 2.0)
"""
    ended = stage.run(script)
    assert ended.returncode == 0, ended.stderr
    run = stage.see()
    assert run.status == "Completed"
    assert run.get_metrics() == {"loss": [1.0, 2.0], "child": 1.0}


def test_an_end_said_in_a_forked_child_is_an_end(stage: Stage):
    script = """
run = begin()
if not os.fork():
    run.log("child", 1.0)
    run.fail("the worker said so")
    os._exit(0)
os.wait()
run.log("loss", 2.0)
"""
    ended = stage.run(script)
    assert ended.returncode == 0
    run = stage.see()
    assert (run.status, error_of(run)["message"]) == ("Failed", "the worker said so")
    assert run.get_metrics() == {"loss": 2.0, "child": 1.0}


def test_daemon_threads_log_until_the_interpreter_is_gone(stage: Stage):
    script = """
run, done = begin(), counts()

def work(thread):
    for i in range(100_000_000):
        run.log("loss", i / 7, step=thread * 2**40 + i)
        done[thread] = i + 1

for thread in range(2):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
time.sleep(0.3)
"""
    for name in range(2):
        done = stage.counts()
        ended = stage.run(script.replace("begin()", f"begin('r{name}')"))
        assert (ended.returncode, ended.stderr) == (0, "")
        run = stage.see(f"r{name}")
        assert run.status == "Completed"
        found = points(run, "loss")
        for thread in range(2):
            mine = [(step - thread * 2**40, value) for step, value in found if step // 2**40 == thread]
            assert mine == [(i, i / 7) for i in range(len(mine))]
            assert done[thread] <= len(mine) <= done[thread] + 1
        assert set(quality(run)) <= {"late"}


def test_a_thread_that_outlives_the_script_belongs_to_it(stage: Stage):
    script = """
run = begin()

def work():
    time.sleep(0.5)
    run.log("loss", 1.0)

threading.Thread(target=work).start()
"""
    run = clean(stage, script)
    assert (run.status, run.get_metrics(), quality(run)) == ("Completed", {"loss": 1.0}, {})


def test_a_run_in_a_global_that_is_torn_down_says_nothing(stage: Stage):
    script = """
class Trainer:
    def __init__(self):
        self.run = begin()

    def __del__(self):
        self.run.log("last", 1.0)
        self.run.complete()

trainer = Trainer()
trainer.itself = trainer
trainer.run.log("loss", 1.0)
"""
    run = clean(stage, script)
    assert run.status == "Completed"
    assert run.get_metrics() == {"loss": 1.0, "last": 1.0}


def test_a_with_block_in_a_generator_that_is_never_finished(stage: Stage):
    script = """
def training():
    with begin() as run:
        for i in range(10):
            run.log("loss", float(i))
            yield i

steps = training()
next(steps)
next(steps)
del steps
"""
    run = clean(stage, script)
    assert run.status in ("Completed", "Failed")
    assert run.get_metrics("loss") == {"loss": [0.0, 1.0]}
