"""Named errors of training and scoring."""

from etl.errors import ForensicsError


class RowsLost(ForensicsError):
    """The loader delivered other rows than the training set's table holds at its pinned version."""


class LoaderStalled(ForensicsError):
    """The loader delivered no batch within its deadline."""


class TooFewRows(ForensicsError):
    """A training set has too few rows, or row groups, for the processes that are to share its epochs."""

    exit_code = 2


class WorkerDied(ForensicsError):
    """A process that reads and augments ended before its epoch did."""


class TransformFailed(ForensicsError):
    """A transform raised an error on an image that decodes."""


class WrongSize(ForensicsError):
    """A training set stores resized images of another size than the detector takes."""

    exit_code = 2


class SplitsOverlap(ForensicsError):
    """An image lies in a training set more than once."""


class UndecodableImage(ForensicsError):
    """An image of a training set cannot be decoded, although it was checked when it entered the lake."""


class BadLabel(ForensicsError):
    """A row of a training set has a label other than 0 (real) and 1 (fake)."""


class NonFiniteLoss(ForensicsError):
    """The training loss became NaN or infinite."""


class NonFiniteLogit(ForensicsError):
    """A detector scored an image with NaN or infinity, which no metric can rank."""


class WeightsMismatch(ForensicsError):
    """A weights file does not fit the detector that it was given for."""

    exit_code = 2


class NotTheSameLogits(ForensicsError):
    """An exported detector gives other logits than the one that it was made of."""


class CheckpointDamaged(ForensicsError):
    """A training checkpoint cannot be read."""


class ProcessesFailed(ForensicsError):
    """Of several processes that train together one ended with an error."""


class TrackingUnavailable(ForensicsError):
    """MLflow's store did not take what was given to it, for instance because its database is locked."""
