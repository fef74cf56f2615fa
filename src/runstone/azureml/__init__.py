"""Lets a script that says ``from azureml.core import Run`` run as it stands, with no Azure package installed.

``import runstone.azureml``, or starting the script with ``runstone exec``, has Runstone answer for every
module named ``azureml`` from then on, in front of an Azure package that may be installed. Without either, an
installed package is what a script gets: Runstone never takes the name unasked. Names that this version does
not have raise an ``ImportError`` that says so; nothing here pretends.
"""

from __future__ import annotations

from runstone.azureml.finder import install

install()
