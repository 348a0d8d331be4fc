"""Classifying pictures as they come, from a camera, a video or files: frames in, predictions out."""
