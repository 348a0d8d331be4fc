"""Classifies images as they come from a camera, a video or files: frames go in, predictions come out."""
