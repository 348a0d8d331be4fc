"""Training: one loop for any network and any batches, its history, checkpoints, augmentation and plots."""
