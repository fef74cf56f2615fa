"""ScriptRunConfig: what is to be run, where, and with which environment."""

from __future__ import annotations

import copy
import logging
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.errors import ExperimentExecutionException, UserErrorException
from runstone.model.jobs import LOCAL

if TYPE_CHECKING:
    from runstone.sdk.run_configuration import RunConfiguration

MONTH = 30 * 24 * 3600

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
            return tuple(words(self.command))
        if not self.script:
            raise UserErrorException("Give a script, or a command: there is nothing to run.")
        path = Path(self.source_directory or ".") / self.script
        if not path.is_file():
            raise ExperimentExecutionException(
                f"{path.resolve()} script path doesn't exist. The script should be inside the project folder"
            )
        return ("python", str(self.script), *words(self.arguments))

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


def words(given: Any) -> Iterable[str]:
    """Arguments as texts: a list of scalars, or one text that is split as a shell would."""
    if given is None:
        return ()
    if isinstance(given, str):
        return shlex.split(given)
    return [str(word) for word in given]
