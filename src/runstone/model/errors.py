"""One error tree for every room: the names of Azure ML SDK v1, and the errors that travel over HTTP."""

from __future__ import annotations

from typing import Any


class RunstoneError(Exception):
    """Root of every error that Runstone raises on purpose."""


class AzureMLException(RunstoneError):
    """Base of the client-side errors; ``message`` says what was wrong, with which value, and what to do."""

    def __init__(
        self,
        exception_message: str = "",
        inner_exception: BaseException | None = None,
        target: str | None = None,
        details: Any = None,
        **_: Any,
    ) -> None:
        super().__init__(exception_message)
        self.message = exception_message
        self.inner_exception = inner_exception
        self.target = target
        self.details = details


class UserErrorException(AzureMLException):
    """The caller asked for something that cannot be: the message names the value and the remedy."""


class AuthenticationException(UserErrorException):
    """Nobody is logged in, or the login has expired."""

    status = 401


class RunEnvironmentException(AzureMLException):
    """A submitted run was asked for, outside of one."""


class ActivityFailedException(AzureMLException):
    """A run that was waited for has failed; ``error_details`` is its error document."""

    def __init__(self, error_details: Any = None, **more: Any) -> None:
        super().__init__(f"Activity Failed:\n{error_details}", details=error_details, **more)
        self.error_details = error_details


class ExperimentExecutionException(AzureMLException):
    """A script could not be submitted."""


class RunConfigurationException(AzureMLException):
    """A run configuration is missing or malformed."""


class SnapshotException(AzureMLException):
    """A source directory cannot be kept: too large, or unreadable."""


class TrainingException(AzureMLException):
    """A sweep or an estimator was asked for something that it cannot do."""


class HyperDriveException(TrainingException, UserErrorException):
    """A sweep was configured so that it cannot be carried out; the message names the value and the remedy."""


class ProjectSystemException(AzureMLException):
    """A project folder is damaged."""


class WorkspaceException(AzureMLException):
    """A workspace is missing, or its name is ambiguous."""

    def __init__(self, exception_message: str = "", found_multiple: bool = False, **more: Any) -> None:
        super().__init__(exception_message, **more)
        self.found_multiple = found_multiple


class ComputeTargetException(AzureMLException):
    """A compute target is missing or cannot be reached."""


class WebserviceException(AzureMLException):
    """A web service call failed."""

    def __init__(self, exception_message: str = "", status_code: int | None = None, **more: Any) -> None:
        super().__init__(exception_message, **more)
        self.status_code = status_code


class ModelNotFoundException(WebserviceException):
    """No model of that name or version is registered: the original raises either class, so this is both."""


class ModelPathNotFoundException(WebserviceException):
    """A model was registered from a file that is not there; both classes, for the same reason."""


class DatasetTimestampMissingError(AzureMLException):
    """A time series filter was asked of a data set without a timestamp column."""


class DiscoveryUrlNotFoundException(AzureMLException):
    """The address of a service is not known."""


class ParallelRunException(AzureMLException):
    """A parallel run step failed."""


class AzureMLAggregatedException(AzureMLException):
    """Several errors at once."""


class WorkspacePrivateEndpointException(AzureMLException):
    """A private endpoint was asked for, which only a cloud has."""


class ServiceException(RunstoneError):
    """A history refused an operation; ``status`` is the HTTP status that it travels as."""

    status = 500

    def __init__(self, message: str = "", **more: Any) -> None:
        super().__init__(message, **more)
        self.message = message

    @property
    def status_code(self) -> int:
        """The name that the original gives to ``status``."""
        return self.status


class Invalid(UserErrorException, ServiceException):
    """A value is outside of what is allowed."""

    status = 422


class FilterError(Invalid):
    """A filter or an order cannot be read; ``position`` is the character (from 0) where it goes wrong."""

    def __init__(self, exception_message: str = "", position: int = 0) -> None:
        super().__init__(exception_message)
        self.position = position


class NotFound(UserErrorException, ServiceException):
    """Nothing of that name or id exists."""

    status = 404


class Conflict(UserErrorException, ServiceException):
    """The present state forbids it; ``expected`` carries what would have been right, where that is one
    value."""

    status = 409

    def __init__(self, exception_message: str = "", expected: Any = None) -> None:
        super().__init__(exception_message)
        self.expected = expected


class Gone(UserErrorException, ServiceException):
    """It existed, and was deleted."""

    status = 410


class TooLarge(UserErrorException, ServiceException):
    """More bytes than the limit; the message says the limit and the size."""

    status = 413


class Busy(ServiceException):
    """The history cannot answer in time; the same call may succeed later."""

    status = 503


class Full(ServiceException):
    """No room is left where the history is kept; reading still works."""

    status = 507


class Unreadable(ServiceException):
    """Stored bytes do not match their checksum: ``runstone doctor`` says what is lost."""

    status = 500
