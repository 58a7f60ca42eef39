"""Draws a damped wave into a PNG file and says how large it became."""
import os
import tempfile

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 10, 500)
figure, axes = plt.subplots(figsize=(6, 4))
axes.plot(x, np.exp(-x / 4) * np.cos(3 * x), label="exp(-x/4) cos(3x)")
axes.set_xlabel("x")
axes.legend()

path = os.path.join(tempfile.mkdtemp(), "wave.png")
figure.savefig(path, dpi=100)
with open(path, "rb") as image:
    assert image.read(8) == b"\x89PNG\r\n\x1a\n"
print(f"{os.path.basename(path)}: {os.path.getsize(path)} bytes")
