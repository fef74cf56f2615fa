"""Which of the original's names are served, and from where."""

from __future__ import annotations

from collections.abc import Mapping

_WORKSPACE = {"Workspace": "runstone.sdk.workspace"}
_EXPERIMENT = {"Experiment": "runstone.sdk.experiment"}
_RUN = {"Run": "runstone.sdk.run", "get_run": "runstone.azureml.core"}
_CONFIG = {"ScriptRunConfig": "runstone.sdk.script_run_config"}
_SCRIPT_RUN = {"ScriptRun": "runstone.sdk.script_run"}
_RUN_CONFIGURATION = {"RunConfiguration": "runstone.sdk.run_configuration"}
_ENVIRONMENT = {"Environment": "runstone.sdk.environment"}
_CONDA = {"CondaDependencies": "runstone.sdk.conda_dependencies"}
_KEYVAULT = {"Keyvault": "runstone.sdk.keyvault"}
_MODEL = {"Model": "runstone.sdk.model"}
_DATASET = {"Dataset": "runstone.sdk.dataset"}
_DATASTORE = {"Datastore": "runstone.sdk.datastore"}
_FILE_DATASET = {"FileDataset": "runstone.sdk.file_dataset"}
_TABULAR_DATASET = {"TabularDataset": "runstone.sdk.tabular_dataset"}
_OUTPUT_DATASET = {"OutputFileDatasetConfig": "runstone.sdk.consumption"}
_INPUT_DATASET = {"DatasetConsumptionConfig": "runstone.sdk.consumption"}
_DATA_TYPE = {"DataType": "runstone.sdk.readings"}
_SECTIONS = (
    "AmlComputeConfiguration",
    "DockerConfiguration",
    "HdiConfiguration",
    "HistoryConfiguration",
    "MpiConfiguration",
    "ParallelTaskConfiguration",
    "PyTorchConfiguration",
    "SparkConfiguration",
    "TensorflowConfiguration",
)
_PARAMETERS = dict.fromkeys(
    (
        "choice",
        "lognormal",
        "loguniform",
        "normal",
        "qlognormal",
        "qloguniform",
        "qnormal",
        "quniform",
        "randint",
        "uniform",
    ),
    "runstone.sdk.sweeps.expressions",
)
_SAMPLINGS = dict.fromkeys(
    (
        "BayesianParameterSampling",
        "GridParameterSampling",
        "HyperParameterSampling",
        "RandomParameterSampling",
    ),
    "runstone.sdk.sweeps.sampling",
)
_POLICIES = dict.fromkeys(
    (
        "BanditPolicy",
        "EarlyTerminationPolicy",
        "MedianStoppingPolicy",
        "NoTerminationPolicy",
        "TruncationSelectionPolicy",
    ),
    "runstone.sdk.sweeps.policies",
)
_GOAL = {"PrimaryMetricGoal": "runstone.sdk.sweeps.config"}
_SWEEP_RUN = {"HyperDriveRun": "runstone.azureml.hyperdrive"}
_SWEEP_CONFIGS = dict.fromkeys(("HyperDriveConfig", "HyperDriveRunConfig"), "runstone.azureml.hyperdrive")
_COMPUTE = {
    "AmlCompute": "runstone.sdk.aml_compute",
    "ComputeTarget": "runstone.sdk.compute",
    "RayCompute": "runstone.sdk.compute",
    "SlurmCompute": "runstone.sdk.compute",
}
_AUTHENTICATIONS = (
    "AzureCliAuthentication",
    "InteractiveLoginAuthentication",
    "MsiAuthentication",
    "ServicePrincipalAuthentication",
    "TokenAuthentication",
)
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
        **_CONFIG,
        **_SCRIPT_RUN,
        **_RUN_CONFIGURATION,
        **_ENVIRONMENT,
        **_CONDA,
        **_KEYVAULT,
        **_MODEL,
        **_DATASET,
        **_DATASTORE,
        "ComputeTarget": "runstone.sdk.compute",
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
    "azureml.core.script_run_config": {
        **_CONFIG,
        "get_run_config_from_script_run": "runstone.sdk.script_run_config",
    },
    "azureml.core.script_run": _SCRIPT_RUN,
    "azureml.core.runconfig": {
        **_RUN_CONFIGURATION,
        **_ENVIRONMENT,
        **_CONDA,
        **dict.fromkeys(_SECTIONS, "runstone.sdk.sections"),
        "DEFAULT_CPU_IMAGE": "runstone.sdk.run_configuration",
        "DEFAULT_GPU_IMAGE": "runstone.sdk.run_configuration",
    },
    "azureml.core.environment": {
        **_ENVIRONMENT,
        **_CONDA,
        **dict.fromkeys(("DockerSection", "PythonSection", "SparkSection"), "runstone.sdk.sections"),
    },
    "azureml.core.conda_dependencies": _CONDA,
    "azureml.core.keyvault": {**_KEYVAULT, "KeyVaultContentType": "runstone.sdk.keyvault"},
    "azureml.core.model": _MODEL,
    "azureml.train": {},
    "azureml.train.hyperdrive": {
        **_PARAMETERS,
        **_SAMPLINGS,
        **_POLICIES,
        **_GOAL,
        **_SWEEP_RUN,
        **_SWEEP_CONFIGS,
    },
    "azureml.train.hyperdrive.exceptions": {"HyperDriveException": "runstone.model.errors"},
    "azureml.train.hyperdrive.parameter_expressions": _PARAMETERS,
    "azureml.train.hyperdrive.policy": _POLICIES,
    "azureml.train.hyperdrive.run": {**_SWEEP_RUN, **_GOAL},
    "azureml.train.hyperdrive.runconfig": {**_SWEEP_CONFIGS, **_GOAL},
    "azureml.train.hyperdrive.sampling": _SAMPLINGS,
    "azureml.widgets": {"RunDetails": "runstone.sdk.run_details"},
    "azureml.core.authentication": dict.fromkeys(_AUTHENTICATIONS, "runstone.sdk.authentication"),
    "azureml.core.compute": _COMPUTE,
    "azureml.core.compute.amlcompute": _COMPUTE,
    "azureml.core.compute_target": {
        **_COMPUTE,
        "ComputeTargetException": "runstone.exceptions",
    },
    "azureml.core.dataset": _DATASET,
    "azureml.core.datastore": _DATASTORE,
    "azureml.data": {**_FILE_DATASET, **_TABULAR_DATASET, **_OUTPUT_DATASET, **_DATA_TYPE},
    "azureml.data.abstract_dataset": {"AbstractDataset": "runstone.sdk.abstract_dataset"},
    "azureml.data.data_reference": {"DataReference": "runstone.sdk.data_paths"},
    "azureml.data.datapath": {"DataPath": "runstone.sdk.data_paths"},
    "azureml.data.dataset_consumption_config": _INPUT_DATASET,
    "azureml.data.dataset_factory": {
        "FileDatasetFactory": "runstone.sdk.file_dataset",
        "TabularDatasetFactory": "runstone.sdk.tabular_dataset",
        **_DATA_TYPE,
    },
    "azureml.data.dataset_type_definitions": {"PromoteHeadersBehavior": "runstone.sdk.readings"},
    "azureml.data.file_dataset": _FILE_DATASET,
    "azureml.data.output_dataset_config": _OUTPUT_DATASET,
    "azureml.data.tabular_dataset": _TABULAR_DATASET,
    "azureml.exceptions": dict.fromkeys(_EXCEPTIONS, "runstone.exceptions"),
}
