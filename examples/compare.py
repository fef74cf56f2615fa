"""The runs of the sweep as a table of pandas, and one of them in full. Start it after: python sweep.py"""

from __future__ import annotations

from runstone import Workspace

workspace = Workspace.from_config()
found = workspace.search_runs("experiment = sweep and depth = 1", order_by="metrics.loss")
print(found.to_pandas()[["display_name", "status", "params.lr", "metrics.loss"]].to_string(index=False))

(best,) = (run for run in found if run.get_tags().get("quality") == "best")
loss = best.get_metric_series("loss")
print(f"\n{best.display_name}: {len(loss.values)} losses from {loss.values[0]:.3g} to {loss.values[-1]:.3g}")

for run in found:
    if run.status == "Failed":
        print(f"{run.display_name} failed: {run.get_detailed_status()['details']}")
