"""b16, b17, b18: several processes log to one run: ranks, forked and spawned workers, pools, pickled runs."""

from __future__ import annotations

import numpy as np
import pytest

from runstone import Run
from tests.scripts import Stage, line, points, quality, until

RANK = """
run = Workspace.from_config().get_run("r")
rank = int(sys.argv[1])
say("ready")
wait_for("go")
for i in range(2_000):
    run.log("loss", i / 7, step=rank * 2**40 + i)
    run.log_metrics({"a": i, "b": float(rank)}, step=rank * 2**40 + i)
"""
MAIN = "run = begin()\nsay('ready')\nwait_for('done')\n"

WORKER = """
def work(rank, run):
    for i in range(500):
        run.log("loss", i / 7, step=rank * 2**40 + i)
"""
FORKED = """
run = begin()
run.log("loss", 0.0, step=-1)

busy = True
def meanwhile(rank):
    for i in range(100_000_000):
        if not busy:
            return
        run.log("noise", float(i), step=rank * 2**40 + i)
        if i % 50 == 0:
            run.tag("alive", "yes")
        done[rank] = i + 1

done = counts()
threads = [threading.Thread(target=meanwhile, args=(rank,)) for rank in (8, 9)]
for thread in threads:
    thread.start()
"""
PLAIN_FORK = """
children = []
for rank in range(8):
    child = os.fork()
    if not child:
        work(rank, run)
        LEAVE
    children.append(child)
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
busy = False
for thread in threads:
    thread.join()
assert run.get_status() == "Running", run.status
"""
POOLED = """
    run.complete()
"""


def each_once(run: Run, *, ranks: int, each: int, name: str = "loss") -> None:
    found = run.get_metric_series(name)
    for rank in range(ranks):
        mine = found.steps // 2**40 == rank
        at = np.arange(each)
        assert np.array_equal(found.steps[mine & (found.steps >= 0)] - rank * 2**40, at)
        assert np.array_equal(found.values[mine & (found.steps >= 0)], at / 7)
    assert np.count_nonzero(found.steps >= 0) == ranks * each


def test_four_processes_log_to_one_run_and_each_point_is_there_once(stage: Stage):
    main = stage.start(MAIN)
    assert line(main) == "ready"
    ranks = [stage.start(RANK, rank) for rank in range(4)]
    assert [line(rank) for rank in ranks] == ["ready"] * 4
    stage.tell("go")
    for rank in ranks:
        _, complaint = rank.communicate(timeout=60)
        assert (rank.returncode, complaint) == (0, "")
    # the end of a rank is not the end of the run
    assert stage.see().status == "Running"
    each_once(stage.see(), ranks=4, each=2_000)
    assert len(points(stage.see(), "a")) == len(points(stage.see(), "b")) == 8_000
    stage.tell("done")
    assert main.wait(timeout=60) == 0
    assert stage.see().status == "Completed"
    assert quality(stage.see()) == {}
    assert stage.left() == []


@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit(0)", "os.kill(os.getpid(), 9)"])
def test_forked_workers_log_beside_busy_threads_of_their_parent(stage: Stage, leave: str):
    done = stage.counts()
    script = WORKER + FORKED + PLAIN_FORK.replace("LEAVE", leave) + "run.complete()\n"
    if "kill" in leave:
        script = script.replace("== 0\n", "== -9\n", 1)
    ended = stage.run(script)
    assert (ended.returncode, ended.stderr) == (0, "")
    run = stage.see()
    each_once(run, ranks=8, each=500)
    noise = run.get_metric_series("noise")
    assert [np.count_nonzero(noise.steps // 2**40 == rank) for rank in (8, 9)] == [done[8], done[9]]
    assert (run.status, quality(run)) == ("Completed", {})


def test_a_worker_that_ends_by_an_exception_does_not_fail_its_parent(stage: Stage):
    script = WORKER + "run = begin()\n" + PLAIN_FORK.replace("LEAVE", "raise ValueError('a worker')")
    script = script.replace("== 0\n", "== 1\n", 1).replace("for thread in threads:\n    thread.join()\n", "")
    script = script.replace("child = os.fork()\n    if not child:", "child = os.fork()\n    if child == 0:")
    ended = stage.run(script.replace("children.append(child)", "children.append(child)") + "run.complete()\n")
    assert ended.returncode == 0, ended.stderr
    each_once(stage.see(), ranks=8, each=500)
    assert stage.see().status == "Completed"


def test_a_fork_at_any_moment_of_a_first_log_waits_for_nobody(stage: Stage, count):
    script = (
        WORKER
        + """
runs = experiment()
for at in range(int(sys.argv[1])):
    run = runs.start_logging(run_id=f"r{at}", outputs=False, capture="none")
    # other threads, and the one that delivers, are in the middle of their first steps
    threads = [threading.Thread(target=run.log_metrics, args=({f"a{i}": 1.0, "b": at},)) for i in range(4)]
    for thread in threads:
        thread.start()
    child = os.fork()
    if not child:
        run.log("child", 1.0)
        run.log_metrics({f"a{at}": 1.0, "c": 2.0})
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for thread in threads:
        thread.join()
    run.complete()
"""
    )
    ended = stage.run(script, count(12, 400))
    assert (ended.returncode, ended.stderr) == (0, "")
    for at in range(count(12, 400)):
        names = set(stage.see(f"r{at}").get_metrics())
        assert {"child", "c", "b", "a0", "a1", "a2", "a3"} <= names


def test_forks_and_signals_at_once_wait_for_nobody(stage: Stage):
    script = (
        WORKER
        + """
run = begin()
run.flush()

def tick(*_):
    run.tag("alive", "yes")
    run.log("tick", 1.0)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)

signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0005)
for rank in range(30):
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        run.log("loss", 0.0, step=rank * 2**40)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
signal.signal(signal.SIGALRM, signal.SIG_IGN)
run.complete()
"""
    )
    ended = stage.run(script)
    assert ended.returncode == 0, ended.stderr
    each_once(stage.see(), ranks=30, each=1)
    assert stage.see().status == "Completed"


def test_a_child_of_a_child_logs_too(stage: Stage):
    script = (
        WORKER
        + """
run = begin()
if not os.fork():
    work(0, run)
    if not os.fork():
        work(1, run)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
work(2, run)
"""
    )
    ended = stage.run(script)
    assert (ended.returncode, ended.stderr) == (0, "")
    each_once(stage.see(), ranks=3, each=500)


def test_a_forked_child_may_start_a_run_of_its_own(stage: Stage):
    script = """
run = begin("parent")
if not os.fork():
    mine = begin("child")
    mine.log("loss", 1.5)
    sys.exit(3)
os.wait()
run.log("loss", 2.5)
"""
    assert stage.run(script).returncode == 0
    child, parent = stage.see("child"), stage.see("parent")
    assert (child.get_metrics(), child.status) == ({"loss": 1.5}, "Failed")
    assert (parent.get_metrics(), parent.status) == ({"loss": 2.5}, "Completed")


POOLS = {
    method: f"""
    import multiprocessing
    pool = multiprocessing.get_context("{method}")
    workers = [pool.Process(target=work, args=(rank, run)) for rank in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
"""
    for method in ("fork", "spawn", "forkserver")
}
POOLS |= {
    f"{kind} of {method}": f"""
    import multiprocessing, concurrent.futures
    context = multiprocessing.get_context("{method}")
    with {make} as pool:
        list(pool.{call}(work, range(4), [run] * 4))
"""
    for method in ("fork", "spawn")
    for kind, make, call in [
        ("executor", "concurrent.futures.ProcessPoolExecutor(2, mp_context=context)", "map"),
    ]
}
POOLS["pool"] = """
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.starmap(work, [(rank, run) for rank in range(4)])
"""
POOLS["joblib"] = """
    import joblib
    joblib.Parallel(n_jobs=2)(joblib.delayed(work)(rank, run) for rank in range(4))
"""


@pytest.mark.parametrize("pool", POOLS)
def test_a_run_goes_to_workers_of_every_kind(stage: Stage, pool: str):
    main = "\nif __name__ == '__main__':\n    run = begin()\n    run.log('loss', 0.0, step=-1)\n"
    script = WORKER + main + POOLS[pool] + "    assert run.get_status() == 'Running'\n    run.complete()\n"
    # the forkserver's socket lies in the temporary directory, and the name of a socket is short
    ended = stage.run(script, environment={"TMPDIR": None})
    assert (ended.returncode, ended.stderr) == (0, "")
    run = stage.see()
    each_once(run, ranks=4, each=500)
    assert (run.status, quality(run)) == ("Completed", {})
    assert stage.left() == []


def test_a_pickled_run_carries_names_and_no_data(stage: Stage):
    script = """
import pickle
run = begin()
run.log("loss", 1.0)
kept = pickle.dumps(run)
assert len(kept) < 2_000, len(kept)
again = pickle.loads(kept)
assert again == run and again.id == run.id and again.status == "Running"
again.log("loss", 2.0)
assert run.get_metrics() == {"loss": [1.0, 2.0]}
"""
    ended = stage.run(script)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_child_that_outlives_its_parent_can_still_use_the_history(stage: Stage):
    script = (
        WORKER
        + """
run = begin()
run.log("loss", 0.0, step=-1)
run.flush()
if os.fork():
    os._exit(0)
say("ready")
for i in range(200):
    run.tag(f"key{i}", str(i))
    time.sleep(0.005)
work(0, run)
run.flush()
say("done")
"""
    )
    process = stage.start(script)
    assert line(process) == "ready"

    def all_there() -> bool:
        # the last one to close a history tidies it up, and so does the first one to open it
        stage.leave()
        return "key199" in stage.see().get_tags()

    until(all_there)
    assert line(process) == "done"
    each_once(stage.see(), ranks=1, each=500)
    assert set(stage.see().get_tags()) == {f"key{i}" for i in range(200)}


def test_what_a_child_wrote_after_its_parent_left_stays(stage: Stage):
    script = """
run = begin()
run.tag("parent", "1")
if os.fork():
    os._exit(0)
run.tag("before", "1")
say("ready")
wait_for("others have come and gone")
run.tag("after", "1")
run.log("loss", 0.5)
run.flush()
say("done")
time.sleep(60)
"""
    process = stage.start(script)
    assert line(process) == "ready"
    assert set(stage.see().get_tags()) == {"parent", "before"}
    # the last one to close a history tidies it up
    stage.leave()
    stage.tell("others have come and gone")
    assert line(process) == "done"
    assert set(stage.see().get_tags()) == {"parent", "before", "after"}
    assert stage.see().get_metrics() == {"loss": 0.5}
