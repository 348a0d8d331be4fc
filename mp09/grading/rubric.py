"""Define every number that decides about a grade, in this one place: points, thresholds, limits and sizes."""

# Points. The suites in tests/ use these names; together they are worth TOTAL.
DATASET_LENGTH = 15
LOADER_BATCHES = 15
SAMPLE_IMAGES = 6
SAMPLE_LABELS = 4
FROZEN = 20
ACCURACY = 40
PRACTICE = 0
TOTAL = 100

# Each of these accuracies that is reached gives ten points.
ACCURACY_STEPS = (0.75, 0.80, 0.85, 0.90)
NEAR_STEP = 0.005  # half a percentage point
# A model that stays below this accuracy, whatever is put right, was not trained: its backbone earns nothing.
TRAINED_ACCURACY = 0.50

BATCH_SIZE = 64  # the batch size of the loader whose batches are counted
SAMPLES = 64  # images whose contents and labels are compared
# The largest batch size of each pass over the test images, and its fewest batches. There must be many, because their
# order is what a submission can't know.
SCORED_BATCHES = (250, 16)
REPEATED_BATCHES = (100, 20)
TESTED = 120  # images that the submission's own test() is tried on, for advice
EXPERIMENT_IMAGES = 1000  # images of an experiment that shows what costs accuracy
SCREENING_IMAGES = 256  # the first of them, on which changes are tried before
FIRST_EXPERIMENTS_S = 20.0  # seconds, or those of an evaluation, after which no experiment with one change begins
EXPERIMENTS_S = 15.0  # seconds after which no other experiment begins
REPEATED = 2000  # images that are classified a second time, in other batches
# The share of these that must get the same class both times; rounding that depends on the batch size changes fewer.
AGREEMENT = 0.995
PIXEL_TOLERANCE = 1e-4  # of values 0 to 1, where one grey level is 0.0039
WEIGHT_TOLERANCE = 1e-6  # what the rounding of float32 may change

SEED = 42  # of a submission's random numbers

# Limits in seconds. The course's own loop takes 5 to 7 minutes to train, and a batch size of 4 is slower still.
OVERALL_LIMIT_S = 900.0
START_LIMIT_S = 120.0
LIMITS_S = {
    "load": 300.0,  # some submissions train while they are imported
    "length": 60.0,
    "batches": 60.0,
    "first_batch": 60.0,
    "samples": 60.0,
    "train": OVERALL_LIMIT_S,
    "tensors": 60.0,
    "predict": 300.0,
    "experiment": 20.0,
    "facts": 20.0,
    "tested": 120.0,
}

# Limits of a worker with all its processes.
MEMORY_LIMIT_MIB = 6144
MEMORY_FLOOR_MIB = 1024  # a machine or container with less has no room for PyTorch and the images
DISK_LIMIT_MIB = 2048
PROCESS_LIMIT = 100
SOURCE_LIMIT = 1 << 20  # bytes of submitted.py; nobody writes more by hand
FILE_COUNT_LIMIT = 10_000  # files and folders that a submission may make
# Python and CUDA need these variables of the environment; no others are passed on to a worker.
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
LOG_LIMIT = 20_000  # bytes that are kept of what a submission prints
OUTPUT_LIMIT = 10_000  # characters that are kept of a test's output


def near_step(accuracy: float | None) -> bool:
    """Return whether an accuracy is within NEAR_STEP of a step, so that an instructor may want to look."""
    return accuracy is not None and any(abs(accuracy - step) <= NEAR_STEP for step in ACCURACY_STEPS)


def accuracy_points(accuracy: float, agreement: float = 1.0) -> int:
    """Return the points for an accuracy: an equal share of ACCURACY for each step that is reached.

    Args:
        accuracy: 0 to 1.
        agreement: the share of images that got the same class in both passes, 0 to 1. Below AGREEMENT, the points for
            the last step are not given.
    """
    reached = sum(accuracy >= step for step in ACCURACY_STEPS)
    if agreement < AGREEMENT:
        reached = min(reached, len(ACCURACY_STEPS) - 1)
    return ACCURACY // len(ACCURACY_STEPS) * reached
