"""Every error that this package raises on purpose.

A message says what was expected, what came, and what to do; the command line prints it as one line.
"""


class Mp09Error(Exception):
    """Base of all errors below; the command line turns it into one line and exit code 2."""


class DataError(Mp09Error):
    """A picture, archive, batch file or data folder is missing, damaged or not what it should be."""


class DownloadError(DataError):
    """The official archive could not be fetched."""


class GradingError(Mp09Error):
    """The grader itself could not do its work: an instructor's problem, never a student's."""


class ProtocolError(Mp09Error):
    """A message between grader and worker is malformed, oversized or of a type that is not allowed."""


class ReleaseError(Mp09Error):
    """The source can't be turned into a handout, e.g. a solution region that is never closed."""


class ClassError(Mp09Error):
    """The submissions of a class, or its gradebook, are not what they should be."""


class DeviceError(Mp09Error):
    """A device was asked for that this machine does not have."""


class NetworkError(Mp09Error):
    """No such network or weights, or weights that don't fit; or a file that holds none."""


class TrainingError(Mp09Error):
    """Training can't start or go on: wrong settings, a loss that is no number, a damaged or foreign checkpoint."""


class FeatureError(Mp09Error):
    """Features can't be extracted or are not what they should be, e.g. a damaged cache entry."""


class FrameError(Mp09Error):
    """A camera, video or picture gives nothing to classify, or an annotated one can't be shown or written."""


class StreamError(Mp09Error):
    """A pipeline can't start, stopped with an error, or lost one of its actors."""


class CompareError(Mp09Error):
    """Networks can't be compared: one is asked for twice, its process died, or results can't be written."""


class ClusterError(Mp09Error):
    """A Ray cluster can't be used, or something on it failed."""
