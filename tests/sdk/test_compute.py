"""Compute targets under the original's names: found when attached, and no cloud pretended."""

from __future__ import annotations

import pytest

import runstone.azureml
from runstone import Experiment, Workspace
from runstone.exceptions import ComputeTargetException
from runstone.sdk.compute import ComputeTarget, RayCompute, SlurmCompute

# As notebooks have it: look for the cluster, else make it.
NOTEBOOK = """
from azureml.core import ComputeTarget as top
from azureml.core.authentication import InteractiveLoginAuthentication, ServicePrincipalAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException

assert top is ComputeTarget
auth = ServicePrincipalAuthentication("tenant", "id", service_principal_password="hunter2")
assert "hunter2" not in repr(auth) + repr(vars(auth))
assert workspace.get(workspace.name, auth=InteractiveLoginAuthentication(tenant_id="t")) == workspace
try:
    cluster = ComputeTarget(workspace=workspace, name="cpu-cluster")
except ComputeTargetException:
    configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
    cluster = ComputeTarget.create(workspace, "cpu-cluster", configuration)
cluster.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
"""


@pytest.fixture(autouse=True)
def original() -> None:
    runstone.azureml.install()


def test_a_notebook_finds_the_cluster_that_is_attached_by_the_name_that_it_uses(workspace: Workspace):
    ComputeTarget.attach(workspace, "cpu-cluster", SlurmCompute.attach_configuration("long"))
    names = {"workspace": workspace}
    exec(NOTEBOOK, names)
    assert names["cluster"].name == "cpu-cluster"  # type: ignore[attr-defined]
    assert names["cluster"].get_status() == "Succeeded"  # type: ignore[attr-defined]


def test_a_cluster_that_nobody_attached_is_not_pretended(workspace: Workspace):
    with pytest.raises(ComputeTargetException, match=r"no cloud is here.*ComputeTarget\.attach\(workspace"):
        exec(NOTEBOOK, {"workspace": workspace})
    assert sorted(workspace.compute_targets) == ["local"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"vm_priority": "cheap"}, "dedicated or lowpriority; got 'cheap'"),
        ({"min_nodes": -1}, "min_nodes=-1"),
        ({"min_nodes": 3, "max_nodes": 2}, "min_nodes=3, max_nodes=2"),
        ({"max_nodes": 0}, "max_nodes=0"),
    ],
)
def test_a_configuration_that_no_cluster_could_have_is_refused(given: dict[str, object], told: str):
    from azureml.core.compute import AmlCompute

    with pytest.raises(ComputeTargetException, match=told):
        AmlCompute.provisioning_configuration("STANDARD_D2_V2", **given)


def test_a_target_describes_itself_without_its_secrets_and_is_deleted_by_name_alone(workspace: Workspace):
    configuration = RayCompute.attach_configuration("http://head:8265", token="hunter2")
    target = ComputeTarget.attach(workspace, "ray", configuration)
    described = target.serialize()
    assert described == {"name": "ray", "type": "ray", "config": {"address": "http://head:8265"}}
    assert ComputeTarget.deserialize(workspace, described).name == "ray"
    target.refresh_state()
    target.delete()
    with pytest.raises(ComputeTargetException, match="there are: local"):
        ComputeTarget(workspace, "ray")


def test_a_target_tells_its_active_runs(workspace: Workspace, experiment: Experiment):
    target = ComputeTarget.attach(workspace, "cluster", SlurmCompute.attach_configuration())
    assert list(target.get_active_runs()) == []
    assert list(target.get_active_runs(status="Queued")) == []
    run = experiment.start_logging()
    assert run not in list(target.get_active_runs())
