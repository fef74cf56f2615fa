"""A parent run with a child for each learning rate; the best one is tagged. Start it with: python sweep.py"""

from __future__ import annotations

from runstone import Experiment, Run, Workspace

RATES = (0.01, 0.1, 0.5, 0.9, 1.1)
EPOCHS = 30


class Diverged(ArithmeticError):
    """The loss grows and grows."""


def train(run: Run, lr: float) -> None:
    """Gradient descent on (x - 3)^2, each step logged."""
    x = 0.0
    for epoch in range(EPOCHS):
        x -= lr * 2 * (x - 3)
        loss = (x - 3) ** 2
        run.log_metrics({"loss": loss, "x": x}, step=epoch)
        if loss > 1_000:
            raise Diverged(f"the loss is {loss:.0f} in epoch {epoch}")


experiment = Experiment(Workspace.from_config(), "sweep")
with experiment.start_logging(display_name="learning rates", outputs=False) as sweep:
    for lr in RATES:
        try:
            with sweep.child_run(display_name=f"lr {lr}", params={"lr": lr}) as run:
                train(run, lr)
        except Diverged as error:
            print(f"lr {lr}: {error}")  # the child has failed; the sweep goes on

    ranked = experiment.workspace.search_runs(
        f"parent = '{sweep.id}' and status = completed", order_by="metrics.loss"
    )
    ranked[0].tag("quality", "best")
    sweep.log("best_loss", ranked[0].get_metrics("loss")["loss"][-1])

for run in ranked:
    print(f"{run.display_name:8} loss {run.get_metrics('loss')['loss'][-1]:.3g}")
