"""Define the errors that this package raises for its users to read.

A message says what was expected, what came, and what to do. The command line prints it as one line.
"""


class Mp09Error(Exception):
    """Is the base of all errors below; the command line turns it into one line and exit code 2."""


class DataError(Mp09Error):
    """An image, archive, batch file or data folder is missing, damaged or not what it should be."""


class Mp09Warning(UserWarning):
    """Tells of something that is no error, but that users should know; the command line prints it as one line."""


class DownloadError(DataError):
    """The official archive could not be fetched."""


class GradingError(Mp09Error):
    """The grader itself could not do its work, which is an instructor's problem and never a student's."""


class ProtocolError(Mp09Error):
    """A message between grader and worker is malformed, oversized or of a type that is not allowed."""


class ReleaseError(Mp09Error):
    """The source can't be turned into a handout, e.g. because a solution region is never closed."""


class ClassError(Mp09Error):
    """The submissions of a class, or its gradebook, are not what they should be."""


class DeviceError(Mp09Error):
    """A device was asked for that this machine does not have."""


class ModelError(Mp09Error):
    """There is no such model or weights, or the weights don't fit the model, or a file holds none."""


class TrainingError(Mp09Error):
    """Training can't start or go on: settings are wrong, the loss is no number, a checkpoint is damaged or foreign."""


class FeatureError(Mp09Error):
    """Features can't be extracted, or are not what they should be, e.g. because a cache entry is damaged."""


class FrameError(Mp09Error):
    """A camera, video or image gives nothing to classify, or an annotated one can't be shown or written."""


class StreamError(Mp09Error):
    """A pipeline can't start, stopped with an error, or lost one of its actors."""


class CompareError(Mp09Error):
    """Models can't be compared: one is asked for twice, its process died, or results can't be written."""


class ClusterError(Mp09Error):
    """A Ray cluster can't be used, or something on it failed."""
