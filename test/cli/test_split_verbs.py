"""iot-fl comtune, bundle and study loss on toy data."""

import argparse
import json
import shutil

import pytest
import torch
import yaml

from iot_fl_ros.cli import bundle as bundle_verb
from iot_fl_ros.cli.main import main
from iot_fl_ros.core.config import read_settings
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.packages import cache_folder
from iot_fl_ros.reports.loss_report import write_loss_report
from iot_fl_ros.split.bundle import load_bundle
from iot_fl_ros.split.pretrained import PRETRAINED
from iot_fl_ros.split.recipe import Recipe, RecipeSettings
from iot_fl_ros.studies.loss import read_loss_study
from iot_fl_ros.studies.loss_measures import make_bundle

SMALL = {
    'split.model': 'comtune_small',
    'split.split_point': 'block1.pool',
    'base.epochs': 2,
    'tune.epochs': 2,
    'base.batch_size': 32,
    'tune.batch_size': 32,
    'codec.min_packets': 8,
}


@pytest.fixture
def toy_pixels(toy_npz, tmp_path):
    """The toy data as bytes, which JPEGs need; of 16x16 pixels, which the net needs."""
    import numpy as np

    arrays = dict(np.load(toy_npz))
    for name in ('x_train', 'x_test'):
        pixels = np.kron(arrays[name].clip(-1, 2) * 80 + 80, np.ones((1, 2, 2)))
        arrays[name] = pixels.astype(np.uint8)
    np.savez(tmp_path / 'toy.npz', **arrays)
    return tmp_path / 'toy.npz'


def test_comtune_writes_a_bundle_and_its_accuracy_at_each_loss(toy_pixels, tmp_path, capsys):
    settings = {**SMALL, 'split.data': str(toy_pixels), 'split.train_size': 0}
    overrides = [part for k, v in settings.items() for part in ('--set', f'{k}={v}')]
    folders = ['--bundle-dir', str(tmp_path / 'bundles'), '--work', str(tmp_path / 'work')]
    assert main(['comtune', 'toy', *overrides, *folders]) == 0
    bundle = load_bundle(tmp_path / 'bundles' / 'toy')
    assert bundle.codec.spec.bits == 2
    assert bundle.architecture.split_point == 'block1.pool'
    base, tuned = json.loads((tmp_path / 'work/loss.json').read_text()).values()
    assert base['0.0'] > 0.9
    assert tuned['0.7'] > 0.8
    assert (tmp_path / 'work/loss.png').stat().st_size > 5_000
    assert 'COMtune: epoch 2/2' in capsys.readouterr().out
    before = bundle.digest
    assert main(['comtune', 'toy', *overrides, *folders]) == 0
    assert load_bundle(tmp_path / 'bundles' / 'toy').digest == before, 'nothing is trained again'


def test_tuning_does_not_change_the_base_model_it_is_compared_with(toy_pixels, tmp_path):
    flat = {**SMALL, 'split.data': str(toy_pixels), 'split.train_size': 0}
    settings = read_settings(RecipeSettings, flat)
    base, tuned = make_bundle(
        settings, tmp_path / 'work', tmp_path / 'tuned', lambda *_: None
    ).values()
    kept = load_bundle(tmp_path / 'work/base')
    assert base.digest == kept.digest
    weights = [next(iter(bundle.cut.head.parameters())) for bundle in (base, kept, tuned)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_where_the_data_lie_changes_no_weight(toy_pixels, tmp_path):
    models = []
    for place in ('a', 'longer/name'):
        path = tmp_path / place / 'toy.npz'
        path.parent.mkdir(parents=True)
        shutil.copy(toy_pixels, path)
        flat = {**SMALL, 'split.data': str(path), 'split.train_size': 0}
        recipe = Recipe(read_settings(RecipeSettings, flat))
        models.append(recipe.tuned(recipe.base()).cut.head.state_dict())
    one, other = models
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_comtune_names_the_nearest_setting(tmp_path, capsys):
    assert main(['comtune', 'toy', '--set', 'codec.bit=4', '--work', str(tmp_path)]) == 2
    assert "did you mean 'codec.bits'" in capsys.readouterr().err


def test_a_loss_study_reports_every_method_and_is_not_done_twice(toy_pixels, tmp_path, capsys):
    tree = {
        'kind': 'loss',
        'seeds': [0, 1],
        'rates': [0.0, 0.6],
        'settings': {**SMALL, 'split.data': str(toy_pixels)},
        'data_sets': {'toy': {}},
        'variants': {'tuned': {'codec': {'bits': 2}}},
        'test_size': 100,
    }
    (tmp_path / 'small.yaml').write_text(yaml.safe_dump(tree))
    arguments = ['study', str(tmp_path / 'small.yaml'), '--output', str(tmp_path / 'out')]
    assert main([*arguments, '--jobs', '1']) == 0
    report = (tmp_path / 'out/small.md').read_text()
    for name in ('plain, float32', 'tuned', 'tuned, bursts', 'tuned, sequential', 'RELIABLE'):
        assert f'| {name}' in report or name in report
    assert 'Goal: at most 2 points below its own lossless accuracy' in report
    assert (tmp_path / 'out/small_toy.png').is_file()
    capsys.readouterr()
    assert main([*arguments, '--list', '--only', 'toy']) == 0
    assert capsys.readouterr().out.split() == ['done', 'toy/seed0', 'done', 'toy/seed1']
    rows = tmp_path / 'out/toy/seed1/rows.json'
    content = json.loads(rows.read_text())
    assert {row['rate'] for row in content['rows']} == {0.0, 0.6}
    written = rows.stat().st_mtime_ns
    assert main([*arguments, '--jobs', '1']) == 0
    assert rows.stat().st_mtime_ns == written


def test_a_loss_study_names_what_failed_and_what_did_not_run(tmp_path):
    tree = {
        'seeds': [0], 'rates': [0.0, 0.6], 'data_sets': {'one': {}, 'other': {}},
        'variants': {'tuned': {'codec': {'bits': 2}}},
    }  # fmt: skip
    study = read_loss_study('x', tree)
    study.tasks[0].keep(tmp_path, None, 'out of memory')
    report = write_loss_report(study, tmp_path, tmp_path).read_text()
    assert '- `one/seed0`: out of memory' in report
    assert '## other\n\nNot run yet.' in report
    goals = json.loads((tmp_path / 'x.json').read_text())['goals']
    assert [goal['measured'] for goal in goals] == ['failed', 'not run yet']
    assert not any(goal['met'] for goal in goals), 'of rates that are tried'


def test_a_study_with_an_unknown_setting_is_refused():
    tree = {'data_sets': {'toy': {}}, 'variants': {'v': {'codec': {'bit': 1}}}}
    with pytest.raises(ConfigError, match=r'codec\.bits'):
        read_loss_study('x', tree)


@pytest.mark.skipif(
    not (cache_folder('weights') / 'yolov3_tiny.safetensors').is_file(),
    reason='the weights of YOLOv3-tiny (66 MB) are not in the cache',
)
def test_a_pretrained_detector_becomes_a_bundle(tmp_path):
    import cv2
    import numpy as np

    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 255, (90, 120, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'{number}.png'), picture)
    source = ['--source', str(tmp_path), '--pictures', '2', '--skip', '1']
    bundles = ['--bundle-dir', str(tmp_path / 'bundles')]
    assert main(['bundle', 'yolov3_tiny', *source, *bundles]) == 0
    bundle = load_bundle(tmp_path / 'bundles/yolov3_tiny')
    assert (bundle.task, bundle.codec.spec.shapes) == ('detection', ((128, 26, 26),))


def test_the_models_of_a_bundle_are_those_that_are_pretrained(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    bundle_verb.add_arguments(parser)
    choices = {action.dest: action.choices for action in parser._actions}
    assert choices['model'] == tuple(PRETRAINED)
    with pytest.raises(SystemExit) as end:
        main(['bundle', 'yolo', '--bundle-dir', str(tmp_path / 'bundles')])
    assert end.value.code == 2
    assert 'invalid choice' in capsys.readouterr().err
    assert not (tmp_path / 'bundles').exists()


def test_the_split_points_of_a_model_are_listed(capsys):
    assert main(['models', '--split-points', 'resnet8', '--shape', '3', '32', '32']) == 0
    shown = capsys.readouterr().out
    assert 'stage1.block1.conv1' in shown
    assert ' + ' in shown, 'a skip crosses some cuts'
