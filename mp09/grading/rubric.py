"""Points, thresholds, limits and sizes: the one place for every number that decides about a grade."""

# Points. The suites in tests/ use these names; together they are 100.
DATASET_LENGTH = 15
LOADER_BATCHES = 15
SAMPLE_IMAGES = 6
SAMPLE_LABELS = 4
FROZEN = 20
ACCURACY = 40
PRACTICE = 0
TOTAL = 100

# Ten points for each accuracy that is reached.
ACCURACY_STEPS = (0.75, 0.80, 0.85, 0.90)
NEAR_STEP = 0.005
# Below this nothing was trained, so "the backbone did not change" earns nothing.
TRAINED_ACCURACY = 0.50

BATCH_SIZE = 64  # of the loader whose batches are counted
SAMPLES = 64  # pictures whose contents and labels are compared
# Of both passes: images in a batch at most; batches at least, because their order is what a submission can't know.
SCORED_BATCHES = (250, 16)
REPEATED_BATCHES = (100, 20)
TESTED = 100  # pictures that the submission's own test() is tried on, for advice
REPEATED = 2000  # images that are classified a second time, in other batches
AGREEMENT = 0.995  # of both; rounding that depends on the batch size changes fewer
PIXEL_TOLERANCE = 1e-4  # on 0..1; one grey level is 0.0039
WEIGHT_TOLERANCE = 1e-6  # float32 rounding

# Seconds. The course's own loop takes 5 to 7 minutes to train, and a batch size of 4 is slower still.
OVERALL_LIMIT_S = 900.0
START_LIMIT_S = 120.0
LIMITS_S = {
    "load": 300.0,  # some train while they are imported
    "length": 60.0,
    "batches": 60.0,
    "first_batch": 60.0,
    "samples": 60.0,
    "train": OVERALL_LIMIT_S,
    "tensors": 60.0,
    "predict": 300.0,
    "tested": 120.0,
}

MEMORY_LIMIT_MIB = 6144
MEMORY_FLOOR_MIB = 1024  # where all processes together may use less, PyTorch and the pictures have no room
DISK_LIMIT_MIB = 2048
PROCESS_LIMIT = 100
SOURCE_LIMIT = 1 << 20  # bytes of a submitted.py; nobody writes more by hand
FILE_COUNT_LIMIT = 10_000  # files and folders that a submission may make
# What Python and CUDA need from the environment; nothing else is passed on to a worker.
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
LOG_LIMIT = 20_000  # characters kept of what a submission prints
OUTPUT_LIMIT = 10_000  # characters of a test's output


def near_step(accuracy: float | None) -> bool:
    """Whether an accuracy is within half a percentage point of a step, so that an instructor may want to look."""
    return accuracy is not None and any(abs(accuracy - step) <= NEAR_STEP for step in ACCURACY_STEPS)


def accuracy_points(accuracy: float, agreement: float = 1.0) -> int:
    """Points for an accuracy in 0..1: an equal share of ACCURACY for each step reached.

    The last step is not for a model whose two answers for a picture agree too rarely (share `agreement`).
    """
    reached = sum(accuracy >= step for step in ACCURACY_STEPS)
    if agreement < AGREEMENT:
        reached = min(reached, len(ACCURACY_STEPS) - 1)
    return ACCURACY // len(ACCURACY_STEPS) * reached
