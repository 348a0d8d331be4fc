"""Trains any model on any batches. Here are the loop, its history, checkpoints, augmentation and plots."""
