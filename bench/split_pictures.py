"""EfficientNet-Lite0 on photographs and YOLOv3-tiny on a video, split, through the nodes.

Shows that the answers are those of the unsplit model when nothing is lost (float32, and 8 bits),
and what 30 % loss does to them, untuned and tuned; draws pictures. Prints one JSON line per model.
Needs the downloads of both models and of opencv-doc. YOLO is tuned by imitation, some minutes.
Usage: bench/split_pictures.py [--output docs/images] [--work runs/split-pictures]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console

from iot_fl_ros.bag.evaluation_figures import BoxAgreement
from iot_fl_ros.cli.main import main as iot_fl
from iot_fl_ros.data.image_stream import open_stream
from iot_fl_ros.data.pictures import photographs
from iot_fl_ros.models.yolo import decode
from iot_fl_ros.processes.split import evaluate_over_dds
from iot_fl_ros.split.pretrained import load_pretrained

LOSS = 0.3
# Frames 0, 96, ... are shown; tuning sees 4, 12, 20, ...
VIDEO: dict[str, Any] = {'source': 'vtest', 'stride': 96, 'count': 8}
PICTURES = ['--pictures', '96', '--stride', '8', '--skip', '4']
THRESHOLD = 0.5
LONGEST = 1_600  # px, of a picture for the documentation


def main() -> None:
    """Make bundles, run them, compare and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--output', type=Path, default=Path('docs/images'))
    parser.add_argument('--work', type=Path, default=Path('runs/split-pictures'))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    work = arguments.work.absolute()
    bundles = work / 'bundles'
    make = ['--bundle-dir', str(bundles)]
    folder = str(photographs()[0].parent)
    if not (bundles / 'yolo_tuned').is_dir():
        iot_fl(['bundle', 'efficientnet_lite0', '--source', folder, *make])
        iot_fl(['bundle', 'yolov3_tiny', *PICTURES, *make])
        iot_fl(
            ['bundle', 'yolov3_tiny', '--name', 'yolo_tuned', '--epochs', '8', *PICTURES, *make]
        )
    console = Console(stderr=True)
    with console.status('EfficientNet-Lite0 over DDS'):
        print(json.dumps(classify(bundles, folder, work, arguments.output)), flush=True)
    with console.status('YOLOv3-tiny over DDS'):
        print(json.dumps(detect(bundles, work, arguments.output)), flush=True)


def over_dds(bundles: Path, name: str, work: Path, shown: dict, bits: int, loss: float) -> list:
    """Return the recorded answers, one for each picture shown."""
    result = evaluate_over_dds(
        bundles, name, work / f'{name}_{bits}_{loss:g}', {**shown, 'record': True, 'rate': 2.0},
        {'deployment': 'simulation', 'link.loss': loss, 'score_threshold': THRESHOLD},
        {'bits': bits, 'deadline': 1.0},
    )  # fmt: skip
    return result['answers']


def classify(bundles: Path, folder: str, work: Path, output: Path) -> dict[str, Any]:
    """Compare and draw the answers about photographs."""
    shown = {'source': folder, 'count': 100}
    pictures = [picture.rgb for picture in open_stream(folder)]
    pretrained = load_pretrained('efficientnet_lite0')
    inputs = np.stack([pretrained.input.prepare(rgb) for rgb in pictures])
    with torch.no_grad():
        whole = pretrained.model(torch.from_numpy(inputs)).argmax(1).tolist()
    answers = {
        label: over_dds(bundles, 'efficientnet_lite0', work, shown, bits, loss)
        for label, bits, loss in (('float32', 32, 0.0), ('8 bits', 8, 0.0), ('lossy', 8, LOSS))
    }
    tiles = []
    for index, rgb in enumerate(pictures):
        tile = cv2.resize(rgb, (240, 180))
        for row, (label, lost) in enumerate((('8 bits', 0.0), ('lossy', LOSS))):
            found = answers[label][index]
            text = f'{found["class_names"][0]} {found["scores"][0]:.2f}' if found else 'no answer'
            caption(tile, f'{lost:.0%} lost: {text}', 16 * row)
        tiles.append(tile)
    save(output / 'split_efficientnet.jpg', np.vstack([np.hstack(tiles[:4]), fill(tiles[4:], 4)]))
    return {
        'model': 'efficientnet_lite0', 'pictures': len(pictures),
        **{f'same_top1_{label}': same_top1(found, whole) for label, found in answers.items()},
    }  # fmt: skip


def same_top1(found: list, whole: list[int]) -> int:
    """Return for how many pictures the first class is that of the unsplit model."""
    return sum(
        answer is not None and answer['class_ids'][0] == wanted
        for answer, wanted in zip(found, whole, strict=True)
    )


def detect(bundles: Path, work: Path, output: Path) -> dict[str, Any]:
    """Compare and draw the boxes in a video."""
    stream = open_stream('vtest')
    last = VIDEO['stride'] * VIDEO['count']
    pictures = [
        p.rgb for n, p in zip(range(last), stream, strict=False) if n % VIDEO['stride'] == 0
    ]
    pretrained = load_pretrained('yolov3_tiny')
    whole = []
    for rgb in pictures:
        with torch.no_grad():
            maps = pretrained.model(torch.from_numpy(pretrained.input.prepare(rgb)[None]))
        found = decode(maps, 416, THRESHOLD)
        boxes = pretrained.input.to_source(found.boxes, rgb.shape[1], rgb.shape[0])
        whole.append((found.classes, boxes))
    runs = {
        'float32': ('yolov3_tiny', 32, 0.0),
        '8 bits': ('yolov3_tiny', 8, 0.0),
        'untuned, lossy': ('yolov3_tiny', 8, LOSS),
        'tuned': ('yolo_tuned', 8, 0.0),
        'tuned, lossy': ('yolo_tuned', 8, LOSS),
    }
    answers = {
        label: over_dds(bundles, name, work, VIDEO, bits, loss)
        for label, (name, bits, loss) in runs.items()
    }
    shown = {'8 bits': '0 % lost', 'untuned, lossy': '30 % lost, untuned',
             'tuned, lossy': '30 % lost, tuned'}  # fmt: skip
    index = 2
    tiles = []
    for label, text in shown.items():
        tile = draw(pictures[index], answers[label][index])
        caption(tile, text, 0, 0.8)
        tiles.append(tile)
    save(output / 'split_yolo.jpg', np.hstack(tiles))
    return {
        'model': 'yolov3_tiny', 'frames': len(pictures),
        'objects': sum(len(classes) for classes, _ in whole),
        **{f'{label}': matched(found, whole) for label, found in answers.items()},
    }  # fmt: skip


def matched(found: list, whole: list) -> dict[str, int | float]:
    """Return how many objects of the unsplit model are found, and how many others are.

    An object is found if a box of its class overlaps it by half (intersection over union); overlap
    is the mean of that.
    """
    agreement = BoxAgreement()
    for answer, (classes, boxes) in zip(found, whole, strict=True):
        ids = answer['class_ids'] if answer else []
        others = np.array(answer['boxes'] if answer else [], np.float32).reshape(-1, 4)
        agreement.add(ids, others, classes, boxes)
    return {
        'found': agreement.found, 'others': agreement.others,
        'overlap': round(agreement.overlap, 4),
    }  # fmt: skip


def draw(rgb: np.ndarray, answer: dict | None) -> np.ndarray:
    """Return a copy of a picture with the boxes of an answer."""
    picture = rgb.copy()
    size = np.array([rgb.shape[1], rgb.shape[0]] * 2)
    boxes = np.array(answer['boxes'] if answer else []).reshape(-1, 4) * size
    for (x1, y1, x2, y2), name in zip(
        boxes.astype(int), answer['class_names'] if answer else [], strict=True
    ):
        cv2.rectangle(picture, (x1, y1), (x2, y2), (255, 220, 0), 2)
        cv2.putText(picture, name, (x1, y1 - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 220, 0), 1)
    return picture


def caption(picture: np.ndarray, text: str, y: int, scale: float = 0.42) -> None:
    """Write `text` on a dark bar, `y` px from the top."""
    height = round(38 * scale)
    cv2.rectangle(picture, (0, y), (picture.shape[1], y + height), (0, 0, 0), -1)
    cv2.putText(
        picture, text, (4, y + height - 4), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1,
        cv2.LINE_AA,
    )  # fmt: skip


def fill(tiles: list[np.ndarray], count: int) -> np.ndarray:
    """Return tiles in a row, filled up with black ones."""
    return np.hstack([*tiles, *([np.zeros_like(tiles[0])] * (count - len(tiles)))])


def save(path: Path, rgb: np.ndarray) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scale = min(1.0, LONGEST / rgb.shape[1])
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == '__main__':
    main()
