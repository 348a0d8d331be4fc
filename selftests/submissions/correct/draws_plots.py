# Draws and saves plots, with matplotlib's cache of fonts made anew, and keeps images.
# base: brief
import os

import matplotlib.pyplot as plt
from PIL import Image

figure, axes = plt.subplots()
axes.plot([1, 2, 3])
axes.set_title("loss")
for kind in ("png", "pdf", "svg"):
    figure.savefig(f"loss.{kind}")
    assert os.path.getsize(f"loss.{kind}") > 1000
plt.close(figure)
Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("black.png")
