"""A run's parent and children."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runstone.model.errors import UserErrorException
from runstone.sdk import finding, starting, submitting
from runstone.sdk.handle import Handle

if TYPE_CHECKING:
    from runstone.sdk.run import Run

BATCH_TAG = "azureml.batch_child_number"


class Family(Handle):
    """The part of a run that knows its relatives."""

    @property
    def parent(self) -> Run | None:
        """The parent run, or None at the top."""
        return self._relative(self._record.parent)

    @property
    def root(self) -> Run:
        """The run at the top of the tree, itself when it has no parent."""
        found = self._relative(self._record.root)
        assert found is not None
        return found

    def child_run(
        self, name: str | None = None, run_id: str | None = None, outputs: str | None = None, **more: Any
    ) -> Run:
        """Start a child run in this process; it is Running at once.

        Args:
            name: a name; under a parent without a name it is kept as ``>name``. It is the display name, too,
                unless you give one.
            run_id: an id of your own; a GUID by default.
            outputs: a directory that is uploaded when the child completes; nothing is by default.
            **more: ``display_name``, ``description``, ``tags``, ``properties``, ``params``.
        """
        if name is not None:
            more.setdefault("display_name", name)
            name = f"{self._record.name or ''}>{name}"
        return starting.start_child(self, name=name, run_id=run_id, outputs=outputs, **more)

    def create_children(
        self, count: int | None = None, tag_key: str | None = None, tag_values: Sequence[Any] | None = None
    ) -> list[Run]:
        """Create children in one transaction; they are NotStarted.

        Args:
            count: how many, each with the tag ``azureml.batch_child_number`` of its number; or
            tag_key, tag_values: one child for each value, tagged with it.

        Raises:
            UserErrorException: neither, or both, were given.
        """
        if count is not None and (tag_key is not None or tag_values is not None):
            raise UserErrorException("count can not be set when tag_key and tag_values are set")
        if count is None and (tag_key is None or tag_values is None):
            raise UserErrorException("Either count or tag_key and tag_values must be set")
        if count is not None and (not hasattr(count, "__index__") or count < 1):
            raise UserErrorException(f"count is a whole number from 1 on; got {count!r}.")
        if count is not None:
            tags: list[dict[str, str | None]] = [{BATCH_TAG: str(number)} for number in range(count)]
        else:
            tags = [finding.texts({str(tag_key): value}, "tag") for value in tag_values or ()]
        return starting.create_children(self, tags)

    def submit_child(self, config: Any, tags: Mapping[str, Any] | None = None, **kwargs: Any) -> Run:
        """Hand a script over as a child of this run; returns at once with a run that is Queued."""
        return submitting.submit(self.experiment, config, tags=tags, parent=self._ref)

    def get_children(
        self,
        recursive: bool = False,
        tags: str | Mapping[str, str] | None = None,
        properties: str | Mapping[str, str] | None = None,
        type: str | None = None,
        status: str | None = None,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """The children, newest first: a generator.

        Args:
            recursive: all descendants.
            tags, properties: a key that must be there, or keys with the values that they must have.
            type, status: only runs of this type or status.
        """
        clauses = [finding.typed(type), finding.equals("status", status)]
        clauses += [*finding.having("tags", tags), *finding.having("properties", properties)]
        if recursive:
            return self._descendants(clauses)
        return finding.runs(self._experiment.workspace, [f"parent = {finding.quoted(self.id)}", *clauses])

    def _descendants(self, clauses: list[str]) -> Iterator[Run]:
        workspace = self._experiment.workspace
        top, depth = self._record.root or self.id, self._record.depth
        tree = f"root = {finding.quoted(top)} and depth > {depth}"
        parents = {self.id}
        if depth:
            # an index leads to a whole tree; who is below its middle is told by those who have children
            inner = list(finding.runs(workspace, [tree, "children > 0"]))
            for run in sorted(inner, key=lambda run: run._record.depth):
                if run._record.parent in parents:
                    parents.add(run.id)
        for run in finding.runs(workspace, [tree, *clauses]):
            if not depth or run._record.parent in parents:
                yield run

    def _relative(self, id: str | None) -> Run | None:
        from runstone.sdk.run import Run  # a run's relatives are runs

        return None if id is None else Run.get(self._experiment.workspace, id)
