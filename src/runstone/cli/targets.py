"""``runstone computetarget list|show|attach|detach``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import lazy, options, output
from runstone.cli.opening import Scope
from runstone.cli.output import Output

if TYPE_CHECKING:
    from runstone.model.jobs import Target

SECRET = "***"

computetarget = lazy.Group(
    name="computetarget",
    lazy={
        "list": ("targets:list_targets", "List the compute targets of a workspace."),
        "show": ("targets:show", "Show a compute target."),
        "attach": ("targets:attach", "Name a cluster that is there."),
        "detach": ("targets:detach", "Forget a compute target."),
    },
    help="Compute targets: where submitted runs are computed.",
)
attach = lazy.Group(
    name="attach",
    lazy={
        "slurm": ("targets:attach_slurm", "Name a Slurm cluster."),
        "ray": ("targets:attach_ray", "Name a Ray cluster."),
    },
    help="Name a cluster that is there.",
)
_NAMED = click.option("--name", "-n", required=True, help="The target's name.")


@click.command("list")
@options.scope
@options.output
@options.common
def list_targets(scope: Scope, out: Output) -> None:
    """List the compute targets of a workspace, this machine first.

    \b
    runstone computetarget list
    """
    opened = scope.look()
    found = opened.service.jobs.targets(opened.workspace) if opened else ()
    out.each(
        map(_document, found),
        table=lambda block: [{"Target": one["name"], "Type": one["type"]} for one in block],
        none="No compute targets.",
    )


@click.command("show")
@_NAMED
@options.scope
@options.output
@options.common
def show(scope: Scope, out: Output, *, name: str) -> None:
    """Show a compute target; a token that it was given is not shown.

    \b
    runstone computetarget show -n cluster
    """
    from runstone.model.errors import NotFound  # loaded by the commands that need it: `--help` is quick

    opened = scope.open()
    known = {one.name: one for one in opened.service.jobs.targets(opened.workspace)}
    if name not in known:
        raise NotFound(f"There is no compute target {name!r}; there are: {', '.join(known)}.")
    out.show(_document(known[name]))


@click.command("slurm")
@_NAMED
@click.option("--partition", help="As sbatch takes it.")
@click.option("--account", help="As sbatch takes it.")
@click.option(
    "--argument", "arguments", multiple=True, help="One more word for sbatch, e.g. --gres=gpu:1; repeated."
)
@options.scope
@options.output
@options.common
def attach_slurm(
    scope: Scope,
    out: Output,
    *,
    name: str,
    partition: str | None,
    account: str | None,
    arguments: Sequence[str],
) -> None:
    """Name a Slurm cluster, that is used by its own commands.

    \b
    runstone computetarget attach slurm -n cluster --partition gpu --argument=--gres=gpu:1
    """
    from runstone.sdk.compute import SlurmCompute  # loaded by the commands that need it: `--help` is quick

    given = SlurmCompute.attach_configuration(partition, account, arguments=tuple(arguments))
    _attach(scope, out, name=name, given=given)


@click.command("ray")
@_NAMED
@click.option("--address", required=True, help="The address of its job server, e.g. http://head:8265.")
@click.option("--token", envvar="RAY_AUTH_TOKEN", help="Its token, if it asks for one.")
@options.scope
@options.output
@options.common
def attach_ray(scope: Scope, out: Output, *, name: str, address: str, token: str | None) -> None:
    """Name a Ray cluster, that is used by its job server.

    \b
    runstone computetarget attach ray -n cluster --address http://head:8265
    """
    from runstone.sdk.compute import RayCompute  # see attach_slurm()

    _attach(scope, out, name=name, given=RayCompute.attach_configuration(address, token))


@click.command("detach")
@_NAMED
@options.scope
@options.common
def detach(scope: Scope, *, name: str) -> None:
    """Forget a compute target; what runs there goes on.

    \b
    runstone computetarget detach -n cluster
    """
    opened = scope.open()
    opened.service.jobs.detach(opened.workspace, name)
    output.note(f"Detached {name}.")


def _attach(scope: Scope, out: Output, *, name: str, given: Target) -> None:
    from runstone.model.jobs import Target  # see attach_slurm()

    workspace = scope.made()
    target = Target(name, given.type, given.config)
    out.show(_document(workspace._service.jobs.attach(workspace.name, target)))


def _document(target: Target) -> Mapping[str, Any]:
    config = {key: SECRET if key == "token" and value else value for key, value in target.config.items()}
    return {"name": target.name, "type": target.type, "config": config}
