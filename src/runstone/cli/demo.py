"""``runstone demo``: runs to look at, made by training on handwritten digits."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runstone.cli import options, output, rows, tables
from runstone.cli.progress import Progress
from runstone.cli.values import number

if TYPE_CHECKING:
    from runstone.cli.digits import Data, Trial
    from runstone.sdk.run import Run
    from runstone.sdk.workspace import Workspace

EXPERIMENT = "digits"
DESCRIPTION = """\
# Which model reads digits best?

Two kinds of model of *scikit-learn* on 1,797 pictures of 8 x 8 pixels:

- **linear**: logistic regression, one weight for each pixel and digit
- **network**: one hidden layer

The last child fails **on purpose**, so that there is a failure to look at.
"""
FILTER = "metrics.accuracy > 0.9 and params.model = 'network'"
SNIPPET = """\
from runstone import Workspace

run = Workspace.from_config().get_run("{best}")
print(run.get_metrics()["accuracy"])             # a value for each epoch
print(run.get_metric_series("loss").values)      # the same as a numpy array
run.download_file("outputs/model.npz")           # the weights
"""


@click.command()
@options.common
def demo() -> None:
    """Train on handwritten digits and look at the runs.

    A parent run with seven children, two kinds of model: metrics of each epoch, parameters, tags, files, and
    one failure on purpose. It takes well under a minute, and uses the history that scripts started here would
    use.
    """
    from runstone.sdk import tracking  # loaded by the command that needs it: `--help` is quick

    try:
        _run()
    except KeyboardInterrupt as error:
        # click ends the program quietly: a run that the interrupt found half begun hears of it this way
        tracking.note_exception(error)
        raise


def _run() -> None:
    click.echo("Loading scikit-learn and its digits ...", err=True)
    # half a second of numpy and scikit-learn, and an extra
    from runstone.cli import digits
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.workspace import Workspace

    workspace = Workspace.from_config()
    click.echo(f"The history is {workspace.location} (workspace {workspace.name!r}).", err=True)
    data = digits.load()
    parent = Experiment(workspace, EXPERIMENT).start_logging(
        display_name="Which model reads digits best?",
        description=DESCRIPTION,
        tags={"demo": "digits"},
        properties={"data.sha256": data.sha256},
        outputs=False,
    )
    with parent, Progress(len(digits.TRIALS) * digits.EPOCHS) as progress:
        for trial in digits.TRIALS:
            _child(parent, trial, data, progress)
        _conclude(workspace, parent)
    _tell(workspace, parent)


def _child(parent: Run, trial: Trial, data: Data, progress: Progress) -> None:
    from runstone.cli import digits  # loaded by `demo` already

    done = 0
    try:
        with parent.child_run(display_name=trial.name, tags={"model": trial.model}) as child:
            child.add_properties({"data.sha256": data.sha256})
            for accuracy in digits.train(child, trial, data=data):
                done += 1
                progress.step(f"{trial.name}: epoch {done}, accuracy {accuracy:.3f}")
        progress.say(f"  {trial.name}: accuracy {accuracy:.3f}")
    except digits.LearnsNothing as error:
        progress.skip(digits.EPOCHS - done)
        progress.say(f"  {trial.name}: failed, as it should: {error}")


def _conclude(workspace: Workspace, parent: Run) -> None:
    from runstone.cli import digits  # loaded by `demo` already

    ranked = _ranked(workspace, parent, "status = completed")
    best = ranked[0]
    best.tag("quality", "best of its family")
    parent.log("best_accuracy", best.get_metrics("accuracy")["accuracy"][-1])
    parent.log_image("curves", plot=digits.curves(ranked))
    parent.tag("best", best.id)


def _ranked(workspace: Workspace, parent: Run, also: str = "") -> list[Run]:
    text = f"parent = '{parent.id}'" + (f" and {also}" if also else "")
    return workspace.search_runs(text, order_by="metrics.accuracy desc")


def _tell(workspace: Workspace, parent: Run) -> None:
    from runstone.service.connect import connect  # loaded by `demo` already

    ranked = _ranked(workspace, parent)
    service = connect(workspace.location)
    found = [
        rows.document(service, service.runs.get(f"{workspace.name}/{run.id}"), workspace=workspace.name)
        for run in ranked
    ]
    click.echo(f"\nThe children of {parent.id}, by accuracy:\n")
    columns = ("Run", "Name", "Status", "Duration", "accuracy", "train_accuracy", "loss")
    table = [
        {name: row.get(name) or number(document["metrics"].get(name)) for name in columns}
        for row, document in zip(rows.table(found), found, strict=True)
    ]
    output.lines(tables.grid(table, tables.width()))
    click.echo(
        "\nOne has failed, and was meant to. See the best one, why that one failed, and look further:\n"
    )
    failed = next((run for run in ranked if run.status == "Failed"), parent)
    best, me = ranked[0].id, _me()
    for line in (
        f"{me} run show -r {best}",
        f"{me} run show -r {failed.id}",
        f"{me} run list -e {EXPERIMENT}",
        f'{me} run list --filter "{FILTER}" --order-by metrics.loss',
        f"{me} run list --parent-run-id {parent.id} -o yaml",
        f"{me} doctor",
    ):
        click.echo(f"  {line}")
    click.echo(f"\nThe same in Python ({_python()}):\n")
    output.lines(f"  {line}".rstrip() for line in SNIPPET.format(best=best).splitlines())


def _me() -> str:
    """How this command line was called, so that a printed line can be pasted."""
    program = sys.argv[0]
    if os.path.basename(program) == "__main__.py":
        return f"{_python()} -m runstone"
    found = shutil.which("runstone")
    if found and Path(found).resolve() == Path(program).resolve():
        return "runstone"
    return _short(program)


def _python() -> str:
    return _short(sys.executable)


def _short(program: str) -> str:
    path = Path(program).absolute()
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
