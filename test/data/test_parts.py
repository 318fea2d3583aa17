import numpy as np
import pytest
from PIL import Image

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.data.parts import (
    by_dirichlet,
    by_labels,
    by_shards,
    iid,
    open_samples,
    private_samples,
)
from iot_fl_ros.data.parts import test_samples as samples_to_test
from iot_fl_ros.data.settings import DataSettings

LABELS = np.repeat(np.arange(10), 100)


def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(
    'parts',
    [
        iid(LABELS, 7, rng()),
        by_shards(LABELS, 10, 2, rng()),
        by_dirichlet(LABELS, 8, 0.1, rng()),
        by_dirichlet(LABELS, 300, 0.01, rng()),
    ],
)
def test_every_sample_goes_to_one_robot_and_no_robot_is_empty(parts):
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))
    assert all(len(part) for part in parts)


def test_two_shards_are_at_most_two_classes_of_balanced_data():
    counts = [len(np.unique(LABELS[part])) for part in by_shards(LABELS, 10, 2, rng())]
    assert max(counts) <= 2


def test_dirichlet_is_more_unequal_with_small_alpha():
    def spread(alpha):
        parts = by_dirichlet(LABELS, 10, alpha, rng())
        return np.std([np.bincount(LABELS[p], minlength=10) for p in parts])

    assert spread(0.1) > 2 * spread(100.0)


def test_impossible_requests_are_refused():
    with pytest.raises(ConfigError):
        by_shards(LABELS, 1000, 2, rng())
    with pytest.raises(ConfigError):
        by_dirichlet(LABELS, 2000, 1.0, rng())


@pytest.fixture
def archive(tmp_path):
    """Return a maker of .npz files of `count` samples of 1x4x4."""

    def make(name, count, kind=np.uint8, labelled=True):
        arrays = {'x': np.zeros((count, 1, 4, 4), kind)}
        np.savez(tmp_path / name, **arrays, **({'y': np.arange(count) % 2} if labelled else {}))
        return str(tmp_path / f'{name}.npz')

    return make


def test_samples_that_a_run_cannot_use_are_named(archive, toy_npz):
    plain, bare = archive('plain', 20), archive('bare', 20, labelled=False)
    names, half = ('0', '1'), {'open_size': 10, 'open_noise': 0.5, 'open_noise_from': toy_npz}
    for refused, ask, said in (
        ({'private': ''}, lambda d: private_samples(d, names), r'data\.private is empty'),
        ({'private': bare}, lambda d: private_samples(d, names), 'one sub-folder per class'),
        ({'private': plain, 'private_size': 0, 'partition': 'iid', 'partition_count': 2,
          'partition_index': 2}, lambda d: private_samples(d, names), 'must be below 2'),
        ({'open': ''}, open_samples, r'data\.open is empty'),
        ({'test': bare}, lambda d: samples_to_test(d, 0), 'has no labels: accuracy cannot be'),
        ({'open': plain, **half}, open_samples, r'toy\.npz has samples .* cannot stand among'),
        ({'open': plain, **half, 'open_noise_from': archive('few', 3)}, open_samples,
         'asks for 5 samples, .*few.npz has 3'),
    ):  # fmt: skip
        given = {name: str(v) if name == 'open_noise_from' else v for name, v in refused.items()}
        with pytest.raises((ConfigError, DataError), match=said):
            ask(DataSettings(**given))


def test_as_many_labels_are_wrong_as_asked_for_and_all_are_classes(archive):
    data = {'private': archive('plain', 200), 'private_size': 0, 'partition': 'none'}
    right = private_samples(DataSettings(**data), ('0', '1', '2', '3'))
    noisy = private_samples(DataSettings(**data, label_noise=0.3), ('0', '1', '2', '3'))
    np.testing.assert_array_equal(right.values, noisy.values)
    assert (right.labels != noisy.labels).sum() == 60
    assert set(noisy.labels.tolist()) == {0, 1, 2, 3}


def test_as_many_open_samples_are_strangers_as_asked_for(archive, tmp_path):
    np.savez(tmp_path / 'white.npz', x=np.full((50, 1, 4, 4), 255, np.uint8))
    data = {'open': archive('plain', 60), 'open_size': 40, 'open_noise': 0.25}
    samples = open_samples(DataSettings(**data, open_noise_from=str(tmp_path / 'white.npz')))
    assert (len(samples), samples.labels) == (40, None)
    assert (samples.values == 255).all(axis=(1, 2, 3)).sum() == 10


@pytest.mark.parametrize('partition', ['iid', 'shards', 'dirichlet', 'labels'])
def test_the_settings_say_how_samples_are_shared_out(toy_npz, partition):
    kinds = []
    for index in range(4):
        settings = DataSettings(
            private=str(toy_npz), private_size=200, partition=partition, partition_count=4,
            partition_index=index, alpha=0.05, fewest_labels=1, most_labels=2, shards=1,
        )  # fmt: skip
        counts = np.bincount(private_samples(settings, ('0', '1', '2', '3')).labels, minlength=4)
        kinds.append((counts > 0).sum())
    most = {'iid': 4, 'shards': 2, 'dirichlet': 4, 'labels': 2}[partition]
    assert max(kinds) <= most
    assert (min(kinds) == 4) == (partition == 'iid')
    assert partition != 'labels' or min(kinds) < max(kinds), 'one to two kinds each'


def test_labels_come_whole_and_all_of_them_are_somewhere():
    labels = np.repeat(np.arange(10), 7)
    for seed in range(20):
        parts = by_labels(labels, 3, 2, 5, np.random.default_rng(seed))
        kinds = [set(labels[part].tolist()) for part in parts]
        assert all(2 <= len(kind) <= 5 for kind in kinds)
        assert set.union(*kinds) == set(range(10))
        assert all(len(part) == 7 * len(kind) for part, kind in zip(parts, kinds, strict=True))


def test_too_few_robots_for_all_labels_are_refused():
    with pytest.raises(ConfigError, match='cannot have all 10'):
        by_labels(np.arange(10), 1, 2, 5, np.random.default_rng(0))


def test_private_and_open_samples_are_disjoint(toy_npz):
    settings = DataSettings(
        private=str(toy_npz), open=str(toy_npz), private_size=250, open_size=100
    )
    private = private_samples(settings, ('0', '1', '2', '3'))
    open_set = open_samples(settings)
    assert (len(private), len(open_set), open_set.labels) == (250, 100, None)
    rows = {v.tobytes() for v in private.values}
    assert not rows & {v.tobytes() for v in open_set.values}
    with pytest.raises(ConfigError, match='leave samples'):
        open_samples(DataSettings(private=str(toy_npz), open=str(toy_npz), private_size=0))


def test_a_robot_that_has_few_classes_uses_the_numbers_of_the_run(tmp_path):
    for name in ('cup', 'shoe'):
        (tmp_path / name).mkdir()
        Image.new('L', (8, 8)).save(tmp_path / name / '0.png')
    settings = DataSettings(private=str(tmp_path), private_size=0)
    private = private_samples(settings, ('hat', 'shoe', 'cup'))
    assert sorted(set(private.labels)) == [1, 2]
    with pytest.raises(DataError, match='cup'):
        private_samples(settings, ('hat', 'shoe'))


@pytest.mark.parametrize('robots', [2, 10, 20])
def test_labels_that_chance_hardly_ever_deals_out_are_dealt_in_turn(robots):
    """As many places as labels: drawing again and again would take for ever."""
    labels = np.repeat(np.arange(20), 3)
    parts = by_labels(labels, robots, 1, 20 // robots, rng())
    kinds = [set(labels[part].tolist()) for part in parts]
    assert set.union(*kinds) == set(range(20))
    assert all(1 <= len(kind) <= 20 // robots for kind in kinds)


def test_more_labels_at_least_than_at_most_are_refused():
    with pytest.raises(ConfigError, match=r'fewest_labels is 5, data\.most_labels is 2'):
        by_labels(LABELS, 10, 5, 2, rng())


def test_the_id_of_a_robot_may_stand_in_paths():
    settings = DataSettings(private='/p/{robot}', test='/t', partition_index=2, partition_count=4)
    own = settings.of_robot('robot_2')
    assert (own.private, own.test) == ('/p/robot_2', '/t')
    assert (own.partition_index, own.partition_count) == (0, 1), 'not shared out'
    shared = DataSettings(private='/p', partition_index=2, partition_count=4)
    assert shared.of_robot('robot_2') == shared
