"""tip-adapter export pets.safetensors --to onnx; pip install -r requirements.txt; python predict.py pets.onnx photo.jpg …"""
import json
import sys

import numpy
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
about = session.get_modelmeta().custom_metadata_map
how, labels = json.loads(about['preprocessing']), json.loads(about['labels'])


def pixels(path):
    """The picture as the encoder sees it, uint8 [side, side, 3]."""
    picture = Image.open(path)
    picture = (ImageOps.exif_transpose(picture) if about['exif'] == 'true' else picture).convert('RGB')
    to, side = how['resizeTo'], how['crop']
    edge = (max if how['resize'] == 'longest' else min)(picture.size)
    sizes = {
        'squash': lambda s: to,
        'shortest': lambda s: to * s // edge,
        'longest': lambda s: round(s / (edge / to)),
    }
    picture = picture.resize(
        [sizes[how['resize']](s) for s in picture.size],
        Image.BICUBIC if how['filter'] == 'bicubic' else Image.BILINEAR,
    )
    x, y = (round((s - side) / 2) if s > side else -((side - s) // 2) for s in picture.size)
    return numpy.asarray(picture.crop((x, y, x + side, y + side)))


for path in sys.argv[2:]:
    p = session.run(['probabilities'], {'pixels': pixels(path)[None]})[0][0]
    answer = labels[p.argmax()] if p.max() >= float(about['reject']) else 'none of these'
    print(f'{path}: {answer} ({100 * p.max():.1f}%)')
