"""Head, tail and evaluator as processes over DDS."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_split import tiny_bundle

from iot_fl_ros.processes.nodes import NodeProcesses, private_dds_env
from iot_fl_ros.processes.split import evaluate_over_dds

# The bundle's model is in tiny_split.py.
ENV = {'PYTHONPATH': str(Path(__file__).parents[1] / 'helpers')}


@pytest.fixture
def folder(tmp_path):
    tiny_bundle(tmp_path / 'bundles' / 'tiny')
    (tmp_path / 'pictures').mkdir()
    for number in range(40):
        # More than 512 kB each: what a camera sends, and more than Fast DDS takes by default.
        picture = np.full((480, 640, 3), 6 * number, np.uint8)
        cv2.imwrite(str(tmp_path / 'pictures' / f'{number:02}.png'), picture)
    return tmp_path


@pytest.mark.parametrize('loss', [pytest.param(0.0, marks=pytest.mark.slow), 0.5])
def test_every_picture_is_answered_by_its_deadline(folder, loss):
    # Other tests run beside this one and may hold it up: of pictures that come meanwhile a head
    # sends the newest alone, so few come, and the deadline is not short.
    result = evaluate_over_dds(
        folder / 'bundles', 'tiny', folder / 'run',
        {'source': str(folder / 'pictures'), 'count': 40, 'rate': 10.0, 'record': True},
        {'deployment': 'simulation', 'link.loss': loss}, {'deadline': 2.0},
        env={**private_dds_env(), **ENV},
    )  # fmt: skip
    assert result['pictures'] == 40
    assert result['answered'] > 0.9
    assert result['packets_received'] == pytest.approx(1 - loss, abs=0.1)
    assert result['features_received'] == pytest.approx(1 - loss, abs=0.1)
    assert all(len(a['class_ids']) == 5 for a in result['answers'] if a)


def test_all_end_in_good_order_when_asked(folder):
    common = ['-p', f'bundle_dir:={folder / "bundles"}']
    own = ['-r', '__ns:=/robot_0']
    with NodeProcesses(folder / 'run', env={**private_dds_env(), **ENV}) as processes:
        processes.start('tail', common)
        processes.start('head', [*own, *common, '-p', 'bundle:=tiny'])
        source = ['-p', f'source:={folder / "pictures"}', '-p', 'rate:=30.0']
        processes.start('image_source', [*own, *source])
        end = time.monotonic() + 60
        while 'an edge is ready' not in processes.log('head'):
            processes.check()
            assert time.monotonic() < end, processes.log('head') + processes.log('tail')
            time.sleep(0.05)
    assert set(processes.codes().values()) == {0}, processes.codes()
    for name in ('tail', 'head', 'image_source'):
        assert 'Traceback' not in processes.log(name), processes.log(name)


def test_an_emulated_link_in_a_real_deployment_ends_the_tail_with_an_error(folder):
    with NodeProcesses(folder / 'run', env=private_dds_env()) as processes:
        processes.start('tail', ['-p', 'link.loss:=0.3'])
        end = time.monotonic() + 60
        while processes.running('tail'):
            assert time.monotonic() < end, 'it runs on'
            time.sleep(0.05)
    assert processes.codes() == {'tail': 1}
    assert 'deployment is real' in processes.log('tail')
