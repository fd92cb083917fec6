"""Photos through ONNX Runtime's Python package, decoded and resized by Pillow.

python3 encode.py MODEL BATCH THREADS: reads paths of photos from standard input, one per line, and prints a JSON line with the version and the
milliseconds per photo, after a first pass over one batch.
"""

import json
import sys
import time

import numpy
import onnxruntime
from PIL import Image

model, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
paths = sys.stdin.read().split("\n")
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
MEAN = numpy.array([103.939, 116.779, 123.68], numpy.float32)


def pixels(path):
    image = Image.open(path).convert("RGB")
    scale = 224 / min(image.size)
    size = [max(224, round(side * scale)) for side in image.size]
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
    image = image.crop((left, top, left + 224, top + 224))
    return (numpy.asarray(image, numpy.float32) - MEAN).transpose(2, 0, 1)


def encode(some):
    for at in range(0, len(some), batch):
        session.run(None, {name: numpy.stack([pixels(path) for path in some[at : at + batch]])})


encode(paths[:batch])
start = time.perf_counter()
encode(paths)
ms = (time.perf_counter() - start) * 1e3 / len(paths)
print(json.dumps({"onnxruntime": onnxruntime.__version__, "ms": round(ms, 2)}))
