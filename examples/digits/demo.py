"""Runs the compiled classifier from Python on the held-out digits.

python examples/digits/demo.py build/demo/model.so
"""

import sys
import timeit
from pathlib import Path

import numpy as np

import tcc
from tcc.artifact import read_manifest

HELD_OUT = slice(1347, None)

path = Path(sys.argv[1])
table = np.loadtxt(Path(__file__).resolve().parent / "digits.csv", delimiter=",", dtype=np.float32)
images, digits = np.ascontiguousarray(table[HELD_OUT, :64]), table[HELD_OUT, 64]

model = tcc.load(path)
found = model.digit(images)
out = np.empty((len(images), 10), np.float32)
seconds = min(timeit.repeat(lambda: model.classify(images, out=out), number=20, repeat=10)) / 20
single = images[:1]
one = np.empty((1, 10), np.float32)
seconds_one = min(timeit.repeat(lambda: model.classify(single, out=one), number=200, repeat=10)) / 200

print(
    f"Python: {(found == digits).sum()} of {len(digits)} held-out digits right ({(found == digits).mean():.2%}), "
    f"{seconds * 1e6:.2f} us per call of {len(images)} images, {seconds_one * 1e6:.2f} us of one"
)
print(f"library: {path.stat().st_size:,} bytes, needs {', '.join(read_manifest(path).needed) or 'nothing'}")
