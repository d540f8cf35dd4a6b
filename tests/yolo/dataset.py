"""Draws a dataset of four images with one box each: `dataset.py FOLDER`. Prints the path of the dataset's description."""

import sys
from pathlib import Path

import cv2
import numpy

folder = Path(sys.argv[1]).resolve()
for part in ("images", "labels"):
    (folder / part).mkdir(parents=True)
for number in range(4):
    image = numpy.full((64, 64, 3), 40 * number, numpy.uint8)
    left, top, size = 8 + 6 * number, 30 - 5 * number, 24
    cv2.rectangle(image, (left, top), (left + size, top + size), (255, 255, 255), -1)
    cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
    box = ((left + size / 2) / 64, (top + size / 2) / 64, size / 64, size / 64)
    (folder / "labels" / f"{number}.txt").write_text("0 " + " ".join(f"{value:.4f}" for value in box) + "\n")
description = folder / "data.yaml"
description.write_text(f"path: {folder}\ntrain: images\nval: images\nnames:\n  0: box\n")
print(description)
