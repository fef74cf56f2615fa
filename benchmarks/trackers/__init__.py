"""Runstone and its peers behind one small contract, so that each is measured by the same lines."""
