"""Names the course's model for 32x32 images and its classes, without loading PyTorch."""

OURS = "resnet18-32"
OUR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
OUR_SIZE = 32  # the side of its input, in pixels
