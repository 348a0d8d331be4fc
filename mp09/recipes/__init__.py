"""Does the work of the learning commands, for which it puts data, models, training, features and tuning together."""
