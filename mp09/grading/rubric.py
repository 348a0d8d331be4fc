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
# Below this nothing was trained, so "the backbone did not change" earns nothing.
TRAINED_ACCURACY = 0.50

BATCH_SIZE = 64  # of the loader whose batches are counted
SAMPLES = 64  # pictures whose contents and labels are compared
EVALUATION_BATCH_SIZE = 250
PIXEL_TOLERANCE = 1e-4  # on 0..1; one grey level is 0.0039
WEIGHT_TOLERANCE = 1e-6  # float32 rounding of a weight that went through another precision

# Seconds. The course's own loop takes 5 to 7 minutes to train, and a batch size of 4 is slower still.
OVERALL_LIMIT_S = 900.0
START_LIMIT_S = 120.0
LIMITS_S = {
    "load": 300.0,  # some train while they are imported
    "length": 60.0,
    "batches": 60.0,
    "samples": 60.0,
    "train": OVERALL_LIMIT_S,
    "tensors": 60.0,
    "predict": 300.0,
    "tested": 120.0,
}

MEMORY_LIMIT_MIB = 6144
LOG_LIMIT = 20_000  # characters kept of what a submission prints
OUTPUT_LIMIT = 10_000  # characters of a test's output


def accuracy_points(accuracy: float) -> int:
    """Points for an accuracy in 0..1: an equal share of ACCURACY for each step reached."""
    return ACCURACY // len(ACCURACY_STEPS) * sum(accuracy >= step for step in ACCURACY_STEPS)
