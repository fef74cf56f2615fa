"""The names that ``azureml.train.hyperdrive`` has for sweeps."""

from __future__ import annotations

from runstone.sdk.sweeps.config import SweepConfig
from runstone.sdk.sweeps.run import SweepRun

HyperDriveConfig = SweepConfig
HyperDriveRun = SweepRun


class HyperDriveRunConfig(SweepConfig):
    """The original's older name of ``HyperDriveConfig``."""
