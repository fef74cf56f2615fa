"""The runs that this process is running: their heartbeat, and how they end when nobody ends them."""

from __future__ import annotations

import atexit
import builtins
import functools
import opcode
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from runstone.journal.identity import here
from runstone.model import names, patience
from runstone.model.errors import RunstoneError
from runstone.model.runs import Status
from runstone.sdk import outputs
from runstone.sdk.handle import printable, warn

if TYPE_CHECKING:
    from runstone.sdk.handle import Handle
    from runstone.sdk.lifecycle import Lifecycle

BEAT_SECONDS = 10.0
# How long the end of a process waits for what it logged to arrive; the rest is delivered by the next
# Runstone.
DELIVERY_SECONDS = 10.0

_tracked: dict[str, Any] = {}
# Runs that are being created: how to find each, should an interrupt come before anybody holds it.
_announced: dict[str, Callable[[], Any]] = {}
# When a run began in this process, by the clock that never jumps.
_begun: dict[str, float] = {}
_sides: dict[str, list[Callable[[], None]]] = {}
_state: dict[str, Any] = {}


def announce(ref: str, find: Callable[[], Any]) -> None:
    """A run of this process is about to be created; ``find`` gives it once it is."""
    _announced[ref] = find
    if not _state:
        _install()


def retract(ref: str) -> None:
    """The run was not created."""
    _announced.pop(ref, None)


def track(run: Handle, *, begins: bool = True) -> None:
    """From now on this process answers for the run, which begins now, unless it goes on."""
    _tracked[run._ref] = run
    if begins:
        _begun[run._ref] = time.monotonic()
    _announced.pop(run._ref, None)
    if not _state:
        _install()


def start(run: Lifecycle) -> None:
    """The run begins in this process."""
    begins = run._record.started is None
    run._operate("move", {"status": Status.RUNNING, "process": here()})
    track(run, begins=begins)


def took(run: Handle) -> dict[str, float]:
    """How long the run has taken, where this process knows: as an argument of ``move``."""
    begun = _begun.get(run._ref)
    return {} if begun is None else {"seconds": time.monotonic() - begun}


def beside(run: Handle, stop: Callable[[], None]) -> None:
    """Call ``stop`` when the run ends: something goes on beside it."""
    _sides.setdefault(run._ref, []).append(stop)


def deliver(run: Lifecycle) -> None:
    """What the run has logged, and the files in its output directory, into the history."""
    if sys.is_finalizing():
        return
    for stop in _sides.pop(run._ref, ()):
        stop()
    if not run._flushed(DELIVERY_SECONDS):
        warn(f"Not everything that run {run.id} logged has arrived yet; it is kept, and delivered later.")
    outputs.upload(run)


def forget(run: Handle) -> None:
    """The run has ended; this process answers for it no longer."""
    for stop in _sides.pop(run._ref, ()):
        stop()
    _tracked.pop(run._ref, None)
    _begun.pop(run._ref, None)


def note_exception(error: BaseException) -> None:
    """The script ends by this exception."""
    _state["error"] = error


def note_exit(code: object) -> None:
    """The script ends by ``sys.exit(code)``."""
    _state["exit"] = code


def end_all() -> None:
    """End every run that is still tracked, the youngest first, as the script itself ended."""
    error = _how(_state.pop("frame", None))
    patience.hurry(DELIVERY_SECONDS)
    _find_announced()
    for run in reversed(list(_tracked.values())):
        try:
            end(run, error)
        except (RunstoneError, OSError) as trouble:
            print(
                f"Runstone: the run {run.id} could not be ended ({trouble}); its data are kept.",
                file=sys.stderr,
            )
        except KeyboardInterrupt:
            # a second Ctrl-C: leave at once, the next Runstone finds out what is left
            patience.hurry(0)
            return


def _find_announced() -> None:
    """Answer for the runs, too, whose creation was interrupted before anybody held them."""
    while _announced:
        _, find = _announced.popitem()
        try:
            run = find()
        except (RunstoneError, OSError):
            # it came to nothing; or the next Runstone finds out
            continue
        if run._record.process == here():
            track(run)


def end(run: Any, error: BaseException | None) -> None:
    """End a run as the script ends: by an exception, an exit code, Ctrl-C, or in peace."""
    if isinstance(error, SystemExit):
        _end_by_code(run, error.code)
    elif isinstance(error, KeyboardInterrupt):
        run.cancel()
    elif error is not None:
        run.fail(error)
    else:
        run.complete()


def _end_by_code(run: Any, code: object) -> None:
    if code in (None, 0, False):
        run.complete()
        return
    deliver(run)
    number = int(code) if isinstance(code, int) else 1
    message = f"The script ended with the exit code {number}." if isinstance(code, int) else str(code)
    message = printable(message)[: names.ERROR_MESSAGE]
    run._end(Status.FAILED, {"code": "ExitCode", "message": message, "reason": "code", "exit_code": number})


def _returned(outermost: FrameType | None) -> bool:
    """Whether the script came to its end, rather than being left by an exception that nobody caught."""
    if outermost is None or outermost.f_lasti < 0:
        return False
    return opcode.opname[outermost.f_code.co_code[outermost.f_lasti]].startswith("RETURN")


def _how(outermost: FrameType | None) -> BaseException | None:
    """What ended the script, as far as it is known."""
    error: BaseException | None = _state.pop("error", None)
    code = _state.pop("exit", None)
    if _returned(outermost):
        # whatever was raised in between, the script went on and came to its last line
        return None
    if error is None and code is not None:
        return SystemExit(code)
    error = error or _shown(outermost)
    if error is None and _state.get("worker"):
        return SystemExit("The worker was left by an exception; the output of its process shows which.")
    return error


def _shown(outermost: FrameType | None) -> BaseException | None:
    """The exception that the interpreter showed last, if the script ended by it; others may have our hook."""
    error = getattr(sys, "last_value", None)
    trace = getattr(error, "__traceback__", None)
    return error if trace is not None and trace.tb_frame is outermost else None


def _install() -> None:
    frame = _outermost()
    worker = frame is not None and _starts_workers(frame.f_back)
    _state.update(frame=frame, worker=worker, owner=os.getpid())
    atexit.register(end_all)
    _hook_workers()
    _hook_exceptions()
    _hook_exit()
    _hook_termination()
    _beat_always()


def _hook_workers() -> None:
    # what multiprocessing has forked leaves by os._exit, past atexit; its own finalizers are called
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _state["worker"]:
        util.Finalize(None, _end_worker, exitpriority=-1)


def _end_worker() -> None:
    error = sys.exc_info()[1]
    if error is not None:
        note_exception(error)
    end_all()


def _outermost() -> FrameType | None:
    """The frame of the script itself, from which everything is called; of a worker, the frame of its work."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None and not _starts_workers(frame.f_back):
        frame = frame.f_back
    return frame


def _starts_workers(frame: FrameType | None) -> bool:
    """Whether a frame is the one in which multiprocessing calls the work of a process."""
    process = sys.modules.get("multiprocessing.process")
    bootstrap = getattr(getattr(process, "BaseProcess", None), "_bootstrap", None)
    return frame is not None and frame.f_code is getattr(bootstrap, "__code__", None)


def _hook_exceptions() -> None:
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        note_exception(error)
        before(kind, error, trace)

    sys.excepthook = hook


def _hook_exit() -> None:
    # SystemExit passes no hook: the code that a script gives to sys.exit() is known nowhere else
    for place, name in ((sys, "exit"), (builtins, "exit"), (builtins, "quit")):
        if hasattr(place, name):
            setattr(place, name, _noting(getattr(place, name)))


def _noting(leave: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(leave, updated=())
    def noted(code: Any = None, /) -> Any:
        note_exit(code)
        leave(code)

    return noted


def _hook_termination() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def terminated(number: int, frame: FrameType | None) -> None:
        # a second one leaves at once
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() == _state.get("owner"):
            patience.hurry(DELIVERY_SECONDS)
            _find_announced()
            for run in reversed(list(_tracked.values())):
                _end_by_signal(run, number)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, terminated)


def _end_by_signal(run: Any, number: int) -> None:
    name = signal.Signals(number).name
    error = {
        "code": "Signal",
        "message": f"The process was ended by {name}.",
        "reason": "code",
        "signal": number,
    }
    try:
        run._flushed(DELIVERY_SECONDS)
        run._end(Status.FAILED, error)
    except (RunstoneError, OSError) as trouble:
        print(
            f"Runstone: the run {run.id} could not be ended ({trouble}); its data are kept.", file=sys.stderr
        )


def _beat_always() -> None:
    threading.Thread(target=_beat, name="runstone-beat", daemon=True).start()


def _beat() -> None:
    while True:
        time.sleep(BEAT_SECONDS)
        for run in list(_tracked.values()):
            try:
                run._service.runs.beat(run._ref)
            except RunstoneError:
                # the next beat comes in ten seconds; the process itself can still be seen
                continue


def _forked() -> None:
    # the child does not answer for its parent's runs: its exit must not end them
    _tracked.clear()
    _begun.clear()
    _announced.clear()
    _sides.clear()
    _state.clear()
    patience.calm()


os.register_at_fork(after_in_child=_forked)
