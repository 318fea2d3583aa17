"""Accuracy of the fleet of docs/own_data.md, which is followed to the letter, for several seeds.

Pictures of five kinds are drawn, each robot has others of them; the page's own file and command
are run, over DDS on this machine, with each seed for pictures and run. Prints a JSON line a seed
and one with the mean and half the 95 % interval (Student's t).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from iot_fl_ros.studies.results import Estimate

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'own_data.md'
KINDS = ('ball', 'box', 'cross', 'ring', 'stripes')


def picture(kind: str, rng: np.random.Generator, side: int = 96) -> Image.Image:
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


def save_pictures(
    folder: Path, kinds: Sequence[str], count: int, rng: np.random.Generator
) -> None:
    """Write `count` pictures of each kind into sub-folders of `folder`."""
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            picture(kind, rng).save(folder / kind / f'{number}.jpg', quality=90)


def make_folders(folder: Path, seed: int) -> None:
    """Draw the pictures of three robots and those to test with, as the page says."""
    rng = np.random.default_rng(seed)
    has = {'robot_0': KINDS[:2], 'robot_1': KINDS[1:4], 'robot_2': KINDS[3:], 'test': KINDS}
    for who, kinds in has.items():
        save_pictures(folder / 'pictures' / who, kinds, 20 if who == 'test' else 80, rng)


def learn(folder: Path, seed: int) -> float:
    """Run the page's fleet in `folder`; return the best accuracy."""
    page = PAGE.read_text()
    (params,) = re.findall(r'^```yaml\n# own.yaml\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    (command,) = re.findall(r'^\$ (iot-fl run .*)$', page, re.MULTILINE)
    (folder / 'own.yaml').write_text(params)
    tools = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    subprocess.run(
        f'{command} --set run.seed={seed}', shell=True, cwd=folder, check=True,
        env={**os.environ, 'PATH': tools}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    summary = json.loads((folder / 'runs' / 'own' / 'summary.json').read_text())
    return float(summary['accuracy'])


def main() -> None:
    """Run every seed and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, default=3)
    accuracies = []
    for seed in range(parser.parse_args().seeds):
        with tempfile.TemporaryDirectory() as folder:
            make_folders(Path(folder), seed)
            start = time.monotonic()
            accuracies.append(learn(Path(folder), seed))
        seconds = round(time.monotonic() - start, 1)
        print(json.dumps({'seed': seed, 'accuracy': accuracies[-1], 'seconds': seconds}))
    print(json.dumps({'seeds': len(accuracies), **asdict(Estimate.of(accuracies))}))


if __name__ == '__main__':
    main()
