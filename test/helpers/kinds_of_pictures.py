"""Pictures of five kinds of things, each of another size, colour and place."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

KINDS = ('ball', 'box', 'cross', 'ring', 'stripes')


def picture(kind, rng, side=96):
    """Return a picture of a kind."""
    ground, ink = rng.integers(0, 110, 3), tuple(rng.integers(140, 256, 3).tolist())
    image = Image.new('RGB', (side, side), tuple(ground.tolist()))
    draw = ImageDraw.Draw(image)
    x, y = (side * rng.uniform(0.35, 0.65, 2)).astype(int).tolist()
    r = int(side * rng.uniform(0.2, 0.3))
    left, top, right, bottom = box = (x - r, y - r, x + r, y + r)
    if kind == 'ball':
        draw.ellipse(box, fill=ink)
    elif kind == 'box':
        draw.rectangle(box, fill=ink)
    elif kind == 'ring':
        draw.ellipse(box, outline=ink, width=side // 12)
    elif kind == 'cross':
        draw.line((left, y, right, y), fill=ink, width=side // 10)
        draw.line((x, top, x, bottom), fill=ink, width=side // 10)
    else:
        for at in range(left, right, side // 8):
            draw.line((at, top, at, bottom), fill=ink, width=side // 16)
    noisy = np.asarray(image) + rng.normal(0, 12, (side, side, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def save_pictures(folder: Path, kinds, count, rng):
    """Write `count` pictures of each kind into sub-folders of `folder`."""
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            picture(kind, rng).save(folder / kind / f'{number}.jpg', quality=90)
