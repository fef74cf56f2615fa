"""ScriptRunConfig: what is to be run, where, and with which environment."""

from __future__ import annotations

import copy
import logging
import math
import os
import shlex
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.errors import ExperimentExecutionException, UserErrorException
from runstone.model.jobs import LOCAL

if TYPE_CHECKING:
    from runstone.sdk.run_configuration import RunConfiguration

MONTH = 30 * 24 * 3600

# What a shell would act on, in one text; and in a list, where less of it can be meant as it stands.
_SHELL = frozenset(("&&", "||", "|", ";", "&", "<", ">", ">>"))
_SHELL_LISTED = frozenset(("&&", "||"))

_log = logging.getLogger("runstone")


class ScriptRunConfig:
    """A script (or a command) with its source directory, arguments, compute target and environment.

    Args:
        source_directory: what is kept as the run's snapshot, and becomes the script's current directory.
        script: the script's path in it.
        arguments: a list of any scalars, or one text that is split as a shell would.
        run_config: a RunConfiguration; then compute_target, environment and others given here are ignored.
        compute_target: a name or a target; this machine by default.
        environment: an Environment; by default the interpreter that submits.
        max_run_duration_seconds: the time limit; 30 days by default.
        command: a list, or one text, instead of script and arguments.
        priority: higher ones leave the queue first.

    Nothing is checked before ``submit``, as in the original.
    """

    MAX_DURATION_SECONDS_DEFAULT = MONTH

    def __init__(
        self,
        source_directory: Any,
        script: str | None = None,
        arguments: Any = None,
        run_config: Any = None,
        _telemetry_values: Any = None,
        compute_target: Any = None,
        environment: Any = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: float | None = MONTH,
        command: Any = None,
        docker_runtime_config: Any = None,
        *,
        priority: int = 0,
    ) -> None:
        self.source_directory = source_directory
        self.script = script
        self.arguments = arguments
        self.run_config = run_config
        self.compute_target = compute_target
        self.environment = environment
        self.distributed_job_config = distributed_job_config
        self.resume_from = resume_from
        self.max_run_duration_seconds = max_run_duration_seconds
        self.command = command
        self.docker_runtime_config = docker_runtime_config
        self.priority = priority
        self._prefer_run_config()

    def words(self) -> tuple[str, ...]:
        """The argument vector, its first word ``python`` where the environment's interpreter is meant.

        Raises:
            UserErrorException: neither or both of script and command were given.
            ExperimentExecutionException: the script is not in the source directory.
        """
        if self.script and self.command:
            raise UserErrorException("script and command cannot be used together; give one of them.")
        if self.command:
            _refuse_shell(self.command)
            return _sound(words(self.command))
        if not self.script:
            raise UserErrorException("Give a script, or a command: there is nothing to run.")
        return _sound(["python", self._script(), *words(self.arguments)])

    def _script(self) -> str:
        """The script's path below the source directory: what is run is the kept copy."""
        source = Path(self.source_directory or ".").absolute()
        path = Path(os.path.normpath(source / str(self.script)))
        root = Path(os.path.normpath(source))
        if not path.is_file() or not path.is_relative_to(root):
            raise ExperimentExecutionException(
                f"{path} script path doesn't exist. The script should be inside the project folder"
            )
        return str(path.relative_to(root))

    def limit(self) -> float | None:
        """The time limit in seconds; None for none.

        Raises:
            UserErrorException: it is no number of seconds above 0.
        """
        given: Any = self.max_run_duration_seconds
        if given is None:
            return None
        number = isinstance(given, Real) and not isinstance(given, bool)
        if not number or not 0 < given < math.inf:
            raise UserErrorException(
                f"max_run_duration_seconds is a number of seconds above 0, or None; got {given!r}."
            )
        return float(given)

    def check_processes(self) -> None:
        """Refuse what asks for more processes than the one that is started.

        Raises:
            UserErrorException: there are to be more, here or on other nodes.
        """
        asked = self.distributed_job_config if self.run_config is None else self.run_config
        names = ("node_count", "process_count", "process_count_per_node", "worker_count")
        more = {name: count for name in names if (count := getattr(asked, name, None) or 1) > 1}
        if more:
            told = ", ".join(f"{name}={count}" for name, count in more.items())
            raise UserErrorException(
                f"{type(asked).__name__} asks for {told}, and a run is started as one process. Have it start "
                f"the others, as command=['torchrun', '--nproc-per-node', '4', 'train.py'] does, or srun."
            )

    def _prefer_run_config(self) -> None:
        if self.run_config is None:
            return
        ignored = [
            name
            for name in ("compute_target", "environment", "distributed_job_config", "docker_runtime_config")
            if getattr(self, name) is not None
        ]
        if ignored:
            _log.warning(
                "If 'run_config' is specified, the following parameters will be ignored: %s",
                ", ".join(ignored),
            )
        self.compute_target = self.run_config.target
        self.environment = self.run_config.environment
        self.script = self.script or self.run_config.script
        self.arguments = self.arguments or self.run_config.arguments
        self.command = self.command or self.run_config.command
        self.priority = self.priority or self.run_config.priority or 0
        if self.run_config.max_run_duration_seconds and self.max_run_duration_seconds == MONTH:
            self.max_run_duration_seconds = self.run_config.max_run_duration_seconds


def get_run_config_from_script_run(script_run_config: ScriptRunConfig) -> RunConfiguration:
    """A run configuration that says the same, to be saved as a file."""
    from runstone.sdk.run_configuration import RunConfiguration  # much that a training script does not need

    given = script_run_config
    found = copy.deepcopy(given.run_config) if given.run_config is not None else RunConfiguration()
    found.script = given.script
    found.arguments = given.arguments if isinstance(given.arguments, str) else list(given.arguments or ())
    found.command = given.command
    found.target = given.compute_target or LOCAL
    found.max_run_duration_seconds = given.max_run_duration_seconds
    found.priority = given.priority or None
    if given.environment is not None:
        found.environment = given.environment
    return found


def words(given: Any) -> Sequence[str]:
    """Arguments as texts: a list of scalars, or one text that is split as a shell would."""
    if given is None:
        return ()
    if isinstance(given, str):
        return shlex.split(given)
    return [str(word) for word in given]


def _refuse_shell(command: Any) -> None:
    """Refuse what only a shell would do: no shell reads a command."""
    if isinstance(command, str):
        lexer = shlex.shlex(command, posix=False, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = ""
        found = _SHELL.intersection(lexer)
    else:
        found = _SHELL_LISTED.intersection(str(word) for word in command)
    if found:
        raise UserErrorException(
            f"A command is not read by a shell, to which {', '.join(sorted(found))} would mean something. "
            f"Give it to one: command=['sh', '-c', '...']."
        )


def _sound(command: Sequence[str]) -> tuple[str, ...]:
    """The words as a process can be given them."""
    wrong = [word for word in command if "\0" in word]
    if wrong:
        raise UserErrorException(f"No argument of a process can hold a NUL character; got {wrong[0]!r}.")
    return tuple(command)
