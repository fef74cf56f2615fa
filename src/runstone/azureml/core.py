"""What ``azureml.core`` has beside its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstone import __version__ as _ours

if TYPE_CHECKING:
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.run import Run

# The release of the original whose names and behaviour are followed; the part after "+" is the truth.
VERSION = __version__ = f"1.61.0+runstone.{_ours}"


def get_run(experiment: Experiment, run_id: str, rehydrate: bool = True, clean_up: bool = True) -> Run:
    """The run of that id; as the kind of run that its type asks for, unless ``rehydrate`` is False."""
    from runstone.sdk.run import Run  # the whole SDK: this module is loaded for its version too

    if rehydrate:
        return Run.get(experiment.workspace, run_id)
    return Run(experiment, run_id)
