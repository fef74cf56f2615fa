"""`runstone exec script` is `python script`: the same output, the same errors, the same exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, environment

SCRIPTS = {
    "what it knows of itself": """
import os, sys
print(sys.argv, __name__, __file__, __spec__, __package__, __doc__, __builtins__.__name__)
print(sys.path[0], os.getcwd(), sys.modules["__main__"].__file__)
""",
    "a docstring": '"""What it does."""\nprint(__doc__)',
    "a module beside it": "import beside\nprint(beside.VALUE)",
    "nothing": "",
    "a message as its code": 'import sys\nsys.exit("no data")',
    "its own code": "import sys\nprint('before')\nsys.exit(3)",
    "a code without sys": "raise SystemExit(4)",
    "no code": "raise SystemExit",
    "an odd code": "import sys\nsys.exit([1, 2])",
    "at once": "import os\nos._exit(7)",
    "an exception": "def inner():\n    raise ValueError('bad value')\n\ndef outer():\n    inner()\n\nouter()",
    "a cause": """
try:
    {}["key"]
except KeyError as error:
    raise RuntimeError("no key") from error
""",
    "a group of its own hook": """
import sys
sys.excepthook = lambda kind, error, trace: print("mine:", kind.__name__, trace.tb_frame.f_code.co_name)
1 / 0
""",
    "no syntax": "print('never')\nif True\n    pass",
    "no module": "import there_is_no_such_module",
    "an error in an import": "import broken",
    "a failed assertion": "assert 1 == 2, 'not equal'",
    "a thread that fails": """
import threading
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
print("goes on")
""",
    "a thread that outlives it": """
import pickle, threading, time

class Thing:
    pass

def late():
    time.sleep(0.3)
    print("late", type(pickle.loads(pickle.dumps(Thing()))).__module__)

threading.Thread(target=late).start()
print("last line")
""",
    "something at exit": "import atexit\natexit.register(print, 'at exit')\nprint('last line')",
    "its input": "import sys\nprint(sys.stdin.read().upper())",
    "a warning": "import warnings\nwarnings.warn('look out', stacklevel=1)",
    "processes that import it again": """
import multiprocessing, os

def double(number):
    return number * 2, __name__

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(double, [1, 2]))
""",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_does_what_it_does_under_python(text: str, runstone, python, write):
    write("code/beside.py", "VALUE = 42")
    write("code/broken.py", "raise ImportError('broken on purpose')")
    script = write("code/script.py", text)
    expected = python(str(script), "--lr", "0.1", "--help", stdin="read me")
    assert runstone("exec", str(script), "--lr", "0.1", "--help", stdin="read me") == expected


def test_a_module_runs_as_python_m_runs_it(runstone, python, write):
    write("project/__init__.py", "print('the package')")
    write(
        "project/train.py",
        "import sys\nfrom . import other\nprint(sys.argv, sys.path[0], __spec__.name, __package__)",
    )
    write("project/other.py", "print('beside it', __name__)")
    expected = python("-m", "project.train", "-m", "x")
    assert expected.code == 0
    assert runstone("exec", "-m", "project.train", "-m", "x") == expected


@pytest.mark.parametrize("text", ["raise KeyError('gone')", "import sys\nsys.exit(5)"])
def test_a_module_ends_as_python_m_ends_it(text: str, runstone, python, write):
    write("project/__main__.py", text)
    ours, expected = runstone("exec", "-m", "project"), python("-m", "project")
    assert (ours.code, ours.out) == (expected.code, expected.out)
    # Python shows runpy's own frames as well
    heading, *own = ours.err.splitlines() or [""]
    assert expected.err.startswith(heading)
    assert expected.err.splitlines()[len(expected.err.splitlines()) - len(own) :] == own


def test_a_folder_with_a_main_runs(runstone, python, write):
    write("app/__main__.py", "import sys\nprint(sys.path[0], __name__, sys.argv[1:])")
    ours, expected = runstone("exec", "app", "1"), python("app", "1")
    assert ours.out.split()[1:] == expected.out.split()[1:]
    assert ours.code == 0


@pytest.mark.parametrize("words", [["missing.py"], ["-m", "missing.module"], ["--bogus", "x.py"], []])
def test_what_cannot_be_started_is_said_in_one_line(words: list[str], runstone):
    done = runstone("exec", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("runstone: ")
    assert done.err.count("\n") == 1
    assert "runstone exec --help" in done.err


def test_ctrl_c_ends_it_by_the_signal_as_it_ends_python(history: Path):
    text = "import time\nprint('ready', flush=True)\nfor _ in range(600):\n    time.sleep(0.1)\n"
    Path("script.py").write_text(text, encoding="utf-8")
    ours, expected = (interrupted([*words, "script.py"]) for words in ([PROGRAM, "exec"], [sys.executable]))
    assert ours == expected
    assert ours[0] == -signal.SIGINT


def interrupted(words: list[str]) -> tuple[int, str]:
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05)  # it is asleep by now: that is where the trace ends
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    return process.returncode, err
