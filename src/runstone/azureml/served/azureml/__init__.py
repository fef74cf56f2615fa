"""Stands for ``azureml`` in the processes that a script under ``runstone exec`` starts in their turn."""

from __future__ import annotations

import importlib
import sys

import runstone.azureml  # noqa: F401  (from here on `azureml` is served)

del sys.modules[__name__]
importlib.import_module(__name__)
