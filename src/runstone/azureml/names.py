"""Which of the original's names are served, from where, and which ones are still to come."""

from __future__ import annotations

from collections.abc import Mapping

_WORKSPACE = {"Workspace": "runstone.sdk.workspace"}
_EXPERIMENT = {"Experiment": "runstone.sdk.experiment"}
_RUN = {"Run": "runstone.sdk.run", "get_run": "runstone.azureml.core"}
_EXCEPTIONS = (
    "ActivityFailedException",
    "AuthenticationException",
    "AzureMLAggregatedException",
    "AzureMLException",
    "ComputeTargetException",
    "DatasetTimestampMissingError",
    "DiscoveryUrlNotFoundException",
    "ExperimentExecutionException",
    "ModelNotFoundException",
    "ModelPathNotFoundException",
    "ParallelRunException",
    "ProjectSystemException",
    "RunConfigurationException",
    "RunEnvironmentException",
    "ServiceException",
    "SnapshotException",
    "TrainingException",
    "UserErrorException",
    "WebserviceException",
    "WorkspaceException",
    "WorkspacePrivateEndpointException",
)

# module -> name -> the module of ours that has it, imported when the name is first asked for
SERVED: Mapping[str, Mapping[str, str]] = {
    "azureml": {},
    "azureml.core": {
        **_WORKSPACE,
        **_EXPERIMENT,
        **_RUN,
        "VERSION": "runstone.azureml.core",
        "__version__": "runstone.azureml.core",
    },
    "azureml.core.workspace": _WORKSPACE,
    "azureml.core.experiment": _EXPERIMENT,
    "azureml.core.run": {
        **_RUN,
        "_OfflineRun": "runstone.sdk.submitted",
        "_SubmittedRun": "runstone.sdk.submitted",
    },
    "azureml.exceptions": dict.fromkeys(_EXCEPTIONS, "runstone.exceptions"),
}

# What a later version brings: modules, and names of modules that are served already.
LATER = frozenset(
    {
        "azureml.core.compute",
        "azureml.core.compute_target",
        "azureml.core.conda_dependencies",
        "azureml.core.dataset",
        "azureml.core.datastore",
        "azureml.core.environment",
        "azureml.core.keyvault",
        "azureml.core.model",
        "azureml.core.runconfig",
        "azureml.core.script_run",
        "azureml.core.script_run_config",
        "azureml.train",
        "azureml.widgets",
        "azureml.core.ComputeTarget",
        "azureml.core.Dataset",
        "azureml.core.Datastore",
        "azureml.core.Environment",
        "azureml.core.Keyvault",
        "azureml.core.Model",
        "azureml.core.RunConfiguration",
        "azureml.core.ScriptRun",
        "azureml.core.ScriptRunConfig",
    }
)
