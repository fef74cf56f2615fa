"""Run: one execution of a training script, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from runstone.model import runs as model
from runstone.model.errors import NotFound, UserErrorException
from runstone.sdk import context, details, finding
from runstone.sdk.annotations import Annotations
from runstone.sdk.data_of_run import DataOfRun
from runstone.sdk.lifecycle import Lifecycle
from runstone.sdk.recording import Recording
from runstone.sdk.registering import Registering
from runstone.sdk.source import Source
from runstone.sdk.submitting import RUN_TYPE, SWEEP_TYPE

if TYPE_CHECKING:
    from runstone.model.differences import Difference
    from runstone.sdk.environment import Environment
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.workspace import Workspace


class Run(Recording, Annotations, Registering, Source, DataOfRun, Lifecycle):
    """A run of an experiment: what it logged, its tags, files and children, and how it ended.

    Args:
        experiment: the experiment of the run.
        run_id: the id of a run that exists.

    Raises:
        UserErrorException: there is no such run, or it was deleted.
    """

    _factories: ClassVar[dict[str, Callable[..., Run]]] = {}

    def __init__(self, experiment: Experiment, run_id: str, outputs: str | None = None, **_: Any) -> None:
        record = experiment.workspace._service.runs.get(experiment.workspace._reference(run_id))
        if record.experiment_id != experiment.id:
            raise NotFound(
                f"The run {run_id!r} is of the experiment {record.experiment!r}, not of {experiment.name!r}; "
                f"Run.get(workspace, run_id) finds it in whichever."
            )
        super().__init__(experiment, record)
        self._outputs = outputs

    @classmethod
    def get_context(
        cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any
    ) -> Run:
        """The run of this script: the submitted one, else one in the embedded workspace, which says so once.

        Args:
            allow_offline: False refuses to make a run for a script that was not submitted.
            **kwargs: ``verbose=True`` prints what is logged, as the original's offline run did.

        Raises:
            RunEnvironmentException: the script was not submitted, and ``allow_offline`` is False.
        """
        return context.current(allow_offline, verbose=bool(kwargs.get("verbose")))

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> Run:
        """Deprecated by the original: ``get_context(allow_offline=False)``."""
        print("Run.get_submitted_run() is deprecated, use Run.get_context() instead")
        print("Run.get_submitted_run() will be removed shortly.")
        return context.current(False, verbose=False)

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> Run:
        """The run of that id, in whichever experiment of the workspace."""
        return Run._of_workspace(workspace, workspace._service.runs.get(workspace._reference(run_id)))

    @staticmethod
    def list(
        experiment: Experiment,
        type: str | None = None,
        tags: str | Mapping[str, str] | None = None,
        properties: str | Mapping[str, str] | None = None,
        status: str | None = None,
        include_children: bool = False,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """The runs of an experiment, newest first, as ``Experiment.get_runs``, and by status."""
        return experiment.get_runs(
            type, tags, properties, include_children, filter=finding.equals("status", status)
        )

    @staticmethod
    def list_by_compute(
        compute: Any,
        type: str | None = None,
        tags: str | Mapping[str, str] | None = None,
        properties: str | Mapping[str, str] | None = None,
        status: str | None = None,
        *,
        workspace: Workspace | None = None,
    ) -> Iterator[Run]:
        """The runs of a compute target, given by its name or as a target; only Running or Queued for
        ``status``."""
        from runstone.sdk.workspace import Workspace  # a workspace finds runs

        if status not in (None, "Running", "Queued"):
            raise UserErrorException(f"list_by_compute takes the status Running or Queued; got {status!r}.")
        clauses = [finding.equals("target", getattr(compute, "name", str(compute))), finding.typed(type)]
        clauses += [*finding.having("tags", tags), *finding.having("properties", properties)]
        clauses.append(finding.equals("status", status))
        return finding.runs(workspace or Workspace.from_config(), clauses)

    @staticmethod
    def add_type_provider(runtype: str, run_factory: Callable[..., Run]) -> None:
        """Have runs of a type made by ``run_factory(experiment, record)``."""
        Run._factories[runtype] = run_factory

    @property
    def number(self) -> int:
        """The order of the run in its experiment, from 1."""
        return self._record.number

    @property
    def name(self) -> str | None:
        """The original's deprecated name; see ``display_name``."""
        return self._record.name

    @property
    def type(self) -> str | None:
        """``azureml.scriptrun`` for a submitted script, ``hyperdrive`` for a sweep; None for others."""
        return self._record.type

    def get_environment(self) -> Environment:
        """The environment that the run was submitted with.

        Raises:
            UserErrorException: it was not submitted with one.
        """
        from runstone.sdk.environment import from_definition  # only for who asks

        try:
            document = self._service.jobs.get(self._ref).spec.environment
        except NotFound:
            document = None
        if document is None:
            raise UserErrorException("There is no run definition or environment specified for the run.")
        return from_definition(document["definition"])

    def diff(self, other: Run | str) -> Difference:
        """What differs between this run (A) and another (B): false when nothing does.

        Compared are script, arguments, params, tags, properties, environment, packages, git state, source
        files, metrics (but for those sampled of the machine), files and how the runs ended. The answer has
        ``sections``, ``to_text()``, ``to_markdown()`` and ``to_dict()``.

        Args:
            other: a run, of this or another workspace, or the id of one of this workspace.
        """
        from runstone.sdk import comparing  # only for who compares

        found = other if isinstance(other, Run) else Run.get(self._experiment.workspace, other)
        for run in (self, found):
            run._refresh()
        return comparing.difference(self, found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (self._ref, self._service) == (other._ref, other._service)

    def __hash__(self) -> int:
        return hash(self._ref)

    def __repr__(self) -> str:
        fields = {"Experiment": self.experiment.name, "Id": self.id, "Type": self.type, "Status": self.status}
        return "Run(" + ",\n".join(f"{name}: {value}" for name, value in fields.items()) + ")"

    def _repr_html_(self) -> str:
        # only notebooks show themselves
        from runstone.sdk import display

        return display.run_html(details.card(self), details.sparklines(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Run.get, (self._experiment.workspace, self.id)

    @classmethod
    def _of(cls, experiment: Experiment, record: model.Run) -> Run:
        factory = Run._factories.get(record.type or "")
        if factory is not None and cls is Run:
            return factory(experiment, record)
        if cls is Run and record.type == RUN_TYPE:
            from runstone.sdk.script_run import ScriptRun  # a kind of run

            return ScriptRun._of(experiment, record)
        if cls is Run and record.type == SWEEP_TYPE:
            from runstone.sdk.sweeps.run import SweepRun  # a kind of run

            return SweepRun._of(experiment, record)
        run = cls.__new__(cls)
        super(Run, run).__init__(experiment, record)
        return run

    @classmethod
    def _of_workspace(cls, workspace: Workspace, record: model.Run) -> Run:
        from runstone.sdk.experiment import _reopen  # an experiment starts runs

        return cls._of(_reopen(workspace, record.experiment_id), record)
