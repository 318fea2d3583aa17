"""Bundles on disk: what is written is read, bit for bit, and nothing else is."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tiny_split import pictures, tiny_bundle

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.split.bundle import Architecture, _digest, load_bundle, save_bundle
from iot_fl_ros.split.recipe import features_of


@pytest.fixture
def folder(tmp_path):
    tiny_bundle(tmp_path / 'tiny')
    return tmp_path / 'tiny'


def outputs(bundle):
    features = features_of(bundle.cut, pictures(3))
    payload, ranges = bundle.codec.encode(features)
    received = bundle.codec.decode(payload, np.ones(payload.shape[:2], bool), ranges)
    with torch.no_grad():
        return payload, bundle.cut.tail(*map(torch.from_numpy, bundle.codec.parts(received)))


@pytest.mark.parametrize(
    'options',
    [
        {}, {'range': 'frame', 'fill': 'mean', 'bits': 4}, {'components': 5, 'bits': 16},
        {'model': 'skip_net', 'point': 'inner', 'order': 'sequential'},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_written_is_read_bit_for_bit(options, tmp_path):
    first = tiny_bundle(tmp_path / 'a', **options)
    saved = save_bundle(first, tmp_path / 'b')
    again = load_bundle(tmp_path / 'b')
    assert saved.digest == again.digest == first.digest
    assert (first.name, again.name, saved.name) == ('a', 'b', 'b')
    for name in ('architecture', 'input', 'task', 'class_names', 'tuning'):
        assert getattr(again, name) == getattr(first, name)
    assert again.codec.spec == first.codec.spec
    assert again.codec.constants.keys() == first.codec.constants.keys()
    for key, constant in first.codec.constants.items():
        assert np.array_equal(again.codec.constants[key], constant)
    for one, other in zip(outputs(first), outputs(again), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))


def test_a_bottleneck_survives(tmp_path):
    bundle = tiny_bundle(tmp_path / 'wide')
    parts = Architecture('tiny_split:net', 5, 'pool', bottleneck=3).build((3, 16, 16))
    assert parts.crossing == ('bottleneck.encode',)
    assert parts.features(torch.zeros(1, 3, 16, 16))[0].shape == (1, 3, 8, 8)
    assert bundle.architecture.bottleneck == 0


def test_the_digest_is_of_all_that_matters_and_of_nothing_else(tmp_path):
    digests = {
        tiny_bundle(tmp_path / str(n), **options).digest
        for n, options in enumerate(
            [
                {},
                {'seed': 1},
                {'bits': 4},
                {'fill': 'mean'},
                {'point': 'conv2'},
                {'min_packets': 3},
            ]
        )
    }
    assert len(digests) == 6
    bundle = load_bundle(tmp_path / '0')
    assert tiny_bundle(tmp_path / 'elsewhere').digest == bundle.digest
    assert bundle.with_bits(8).digest == bundle.digest


@pytest.mark.parametrize('name', ['bundle.json', 'weights.safetensors'])
def test_missing_files_are_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=f'not a bundle.*{name}.*iot-fl comtune'):
        load_bundle(folder)


@pytest.mark.parametrize('at', [0, 100, -1])
def test_damaged_weights_are_refused(folder, at):
    path = folder / 'weights.safetensors'
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match='damaged'):
        load_bundle(folder)


@pytest.mark.parametrize('content', ['', '{', '[]', '"x"', 'null', '{"format": 0}', '[' * 100_000])
def test_what_is_no_description_is_refused(folder, content):
    (folder / 'bundle.json').write_text(content)
    with pytest.raises(DataError, match=r'not a bundle|not of format'):
        load_bundle(folder)


def change(folder, **fields):
    """Change the description and make its digest fit again."""
    path = folder / 'bundle.json'
    document = {**json.loads(path.read_text()), **fields}
    described = {
        key: document[key] for key in ('architecture', 'input', 'task', 'class_names', 'codec')
    }
    document['digest'] = _digest(described, (folder / 'weights.safetensors').read_bytes()).hex()
    path.write_text(json.dumps(document))


def test_a_changed_description_is_damage(folder):
    path = folder / 'bundle.json'
    path.write_text(path.read_text().replace('"bits": 2', '"bits": 4'))
    with pytest.raises(DataError, match='damaged'):
        load_bundle(folder)


@pytest.mark.parametrize(
    'fields',
    [
        {'task': 'dance'},
        {'architecture': {'model': 'tiny_split:net', 'classes': 5, 'split_point': 'pol'}},
        {'architecture': {'model': 'no such model', 'classes': 5, 'split_point': 'pool'}},
        {'architecture': {'model': 'tiny_split:net', 'classes': 6, 'split_point': 'pool'}},
        {'architecture': {'model': 'tiny_split:nothing', 'classes': 5, 'split_point': 'pool'}},
        {'architecture': {'model': 'no_module:net', 'classes': 5, 'split_point': 'pool'}},
        {'architecture': []}, {'input': {}}, {'input': 3}, {'codec': []}, {'codec': {}},
        {'codec': {'shapes': [[8, 8, 9]]}}, {'codec': {'shapes': [['x']]}},
        {'codec': {'shapes': [[8, 8, 8]], 'bits': 3}}, {'codec': {'shapes': 3}},
        {'codec': {'shapes': [[8, 8, 8]], 'noise': 1}}, {'class_names': 3},
    ],
    ids=str,
)  # fmt: skip
def test_a_description_that_makes_no_sense_is_refused(folder, fields):
    change(folder, **fields)
    with pytest.raises(DataError, match='cannot be used'):
        load_bundle(folder)


@pytest.mark.parametrize('what', ['garbage', 'missing', 'other shape'])
def test_weights_that_do_not_fit_are_refused(folder, what):
    path = folder / 'weights.safetensors'
    arrays = load_file(path)
    if what == 'missing':
        del arrays['tail.modules_in_order.0.bias']
    elif what == 'other shape':
        arrays['tail.modules_in_order.0.bias'] = np.zeros(3, np.float32)
    save_file(arrays, path)
    if what == 'garbage':
        path.write_bytes(b'garbage' * 100)
    change(folder)
    with pytest.raises(DataError, match='cannot be used'):
        load_bundle(folder)
