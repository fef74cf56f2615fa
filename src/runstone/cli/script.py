"""Runs a person's script in this process, as Python itself would, with the ``azureml`` names served."""

from __future__ import annotations

import builtins
import os
import runpy
import sys
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType, TracebackType


@dataclass(frozen=True)
class Script:
    """A script (a path; a folder or a zip archive with a ``__main__.py``) or a module, and its arguments."""

    name: str
    arguments: tuple[str, ...] = ()
    module: bool = False

    def run(self) -> int:
        """Run it as ``__main__``; the exit code. A ``SystemExit`` and a Ctrl-C pass on to the interpreter."""
        from runstone.sdk import tracking  # the script may end its runs without a word: this is how they hear

        _serve()
        try:
            self._start()
        except SystemExit as error:
            tracking.note_exit(error.code)
            raise
        except BaseException as error:
            error.__traceback__ = _own(error.__traceback__)
            tracking.note_exception(error)
            sys.excepthook(type(error), error, error.__traceback__)
            if not isinstance(error, KeyboardInterrupt):
                return 1
            # The interpreter ends by the signal, as shells expect, unless something is compiled before that
            # (an import by a thread will do): what goes on beside the runs ends here. It was shown already.
            tracking.end_all()
            sys.excepthook = lambda *_: None
            raise
        return 0

    def _start(self) -> None:
        sys.argv = [self.name, *self.arguments]
        first = os.getcwd() if self.module else _folder(self.name)
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = first
        if self.module:
            runpy.run_module(self.name, run_name="__main__", alter_sys=True)
        elif os.path.isfile(self.name) and not self.name.endswith((".zip", ".pyz", ".pyc")):
            _run_file(os.path.abspath(self.name))
        else:
            runpy.run_path(self.name, run_name="__main__")


class _Source(SourceFileLoader):
    """Compiles a script each time: Python keeps no compiled copy of one either."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _run_file(path: str) -> None:
    # not runpy.run_path: it takes __main__ away when the script's last line is done, and threads, pools and
    # pickles that are still at work need it
    main = ModuleType("__main__")
    loader = _Source("__main__", path)
    vars(main).update(__file__=path, __loader__=loader, __cached__=None, __builtins__=builtins)
    sys.modules["__main__"] = main
    loader.exec_module(main)


def _serve() -> None:
    import runstone.azureml  # noqa: F401  (the names are served from here on)
    from runstone.azureml.finder import FOLDER

    # The processes that the script starts, a spawned data loader for one, import the script again: those of
    # multiprocessing are handed our path, the others the environment.
    folder = str(FOLDER)
    if folder not in sys.path:
        sys.path.insert(1, folder)
    given = os.environ.get("PYTHONPATH")
    if folder not in (given or "").split(os.pathsep):
        os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{given}" if given else folder


def _folder(script: str) -> str:
    return os.path.dirname(os.path.realpath(script))


def _own(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the script's first frame on: what is ours, and the import system's, stands above."""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file != __file__ and not file.startswith("<frozen ") and "runpy" not in os.path.basename(file):
            return trace
        trace = trace.tb_next
    return trace
