"""What users can get wrong, one class an exit code; knows nothing of how an error is shown."""


class NasError(Exception):
    """Something failed that the user should read about in one line, without a traceback."""

    exit_code = 1


class TrainingFailedError(NasError):
    """A network could not be trained for good: it diverged, or did not fit into memory."""


class ConfigError(NasError, ValueError):
    """The command line or the config is wrong."""

    exit_code = 2


class NoTrialCompletedError(NasError):
    """The search ended and not one of its trials completed."""

    exit_code = 3


class BadDataError(NasError, ValueError):
    """Pictures, an archive, a checkpoint or a database hold what they must not."""

    exit_code = 65


class UnreadableError(BadDataError):
    """A file that may well be good cannot be read now; nobody may take it for damaged."""


class MissingInputError(NasError):
    """A file, a folder, a package or the network is needed and absent."""

    exit_code = 66


class MissingPackageError(MissingInputError):
    """A package that only one of our extras brings is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        """Say what needs which package, and how to install the extra."""
        super().__init__(
            f"{what} needs the package {package}; install it with "
            f"pip install 'nas-cifar10[{extra}]', in a checkout pip install -e '.[{extra}]'"
        )


class CannotCreateError(NasError):
    """The output folder exists already, is locked by another process, or cannot be written."""

    exit_code = 73


class StorageError(NasError):
    """Reading or writing failed half-way: a full disk, a lost volume."""

    exit_code = 74


class StateError(NasError):
    """What is stored does not fit what is asked for now."""

    exit_code = 78


class InterruptedRunError(NasError):
    """The user or the system stopped the run; it can be resumed."""

    def __init__(self, message: str, signal_number: int) -> None:
        """Say what was stopped and how to go on, by which signal: 2 (Ctrl-C), 15 (terminate)."""
        super().__init__(message)
        self.exit_code = 128 + signal_number
