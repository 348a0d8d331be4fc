"""Computes features, a frozen backbone's output for every image, once, keeps them on disk, and trains heads on them."""
