"""DS-FL's label cache, differences and selections, on small cases."""

import dataclasses

import numpy as np
import pytest
from method_makers import OPEN, PRIVATE, aggregator, info_of, method, robot, update

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.tensors import all_allowed, specs_of
from iot_fl_ros.methods.labels import sample_selection as selection
from iot_fl_ros.methods.labels.exchange import OpenSchedule
from iot_fl_ros.methods.method import GlobalSet
from iot_fl_ros.methods.registry import method_of

LABELS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]], np.float32)


def test_more_classes_than_a_vote_can_name_are_refused():
    info = dataclasses.replace(
        info_of('dsfl', label_dtype='vote'), class_names=tuple(map(str, range(257)))
    )
    with pytest.raises(ConfigError, match='257 classes are too many for votes: use uint8'):
        method_of(info)


def test_the_cache_asks_again_at_age_d_and_not_before():
    # All five samples in every round, D = 3: asked in 1, good in 2 and 3, asked again in 4.
    schedule = OpenSchedule(0, 5, 5, keep=3)
    assert [len(schedule.asked(r)) for r in range(1, 9)] == [5, 0, 0, 5, 0, 0, 5, 0]


def test_the_cache_asks_for_what_has_no_good_label():
    schedule = OpenSchedule(1, 40, 10, keep=4)
    last = {}
    for now in range(1, 30):
        drawn = schedule.drawn(now).tolist()
        expected = [i for i in drawn if i not in last or last[i] + 4 <= now]
        assert schedule.asked(now).tolist() == expected
        last |= dict.fromkeys(expected, now)


def test_a_schedule_is_the_same_in_any_order_of_questions():
    one, other = OpenSchedule(3, 30, 10, 3), OpenSchedule(3, 30, 10, 3)
    forward = [one.asked(r).tolist() for r in range(1, 15)]
    backward = [other.asked(r).tolist() for r in range(14, 0, -1)]
    assert forward == backward[::-1]


def run_rounds(dsfl, rounds, missing=()):
    """Run robots a and b with an aggregator; b adopts nothing after the rounds in `missing`."""
    server, parties = aggregator(), [robot('a'), robot('b')]
    for participant in parties:
        dsfl.prepare(participant)
    sets, kept = [], []
    for number in range(1, rounds + 1):
        updates = []
        for participant in parties:
            tensors, _ = dsfl.train(participant, number)
            assert all_allowed(dsfl.update_specs(number), specs_of(tensors))
            dsfl.check_values(tensors, number)
            updates.append(update(participant.id, **tensors))
        tensors = dsfl.aggregate(server, updates, number)
        assert all_allowed(dsfl.global_specs(number), specs_of(tensors))
        dsfl.check_values(tensors, number)
        sets.append(GlobalSet(number, tensors))
        kept.append(sets[-1])
        dsfl.adopt(server, sets[-1:])
        dsfl.adopt(parties[0], sets[-1:])
        if number not in missing:
            dsfl.adopt(parties[1], kept)
            kept = []
    return server, parties


@pytest.mark.parametrize(
    ('dtype', 'delta'), [('float32', 0), ('uint8', 0), ('uint8', 3), ('vote', 0), ('vote', 3)]
)
@pytest.mark.parametrize('missing', [(), (2, 3), (1, 2, 3, 4, 5)])
def test_all_remember_the_same_labels_also_who_was_away(dtype, delta, missing):
    dsfl = method(
        'dsfl', open_samples=15, cache_rounds=3, label_dtype=dtype, delta_rounds=delta,
        batch_size=5,
    )  # fmt: skip
    server, parties = run_rounds(dsfl, 6, missing)
    for participant in parties:
        for name in ('labels', 'label_rounds'):
            np.testing.assert_array_equal(participant.memory[name], server.memory[name])


def test_a_robot_that_was_away_needs_the_rounds_of_good_labels():
    assert [method('dsfl', cache_rounds=4).needs_since(r) for r in (1, 4, 9)] == [1, 1, 6]
    # Differences refer to labels of the same block of 5 rounds: 1-5, 6-10.
    dsfl = method('dsfl', cache_rounds=4, delta_rounds=5)
    assert [dsfl.needs_since(r) for r in (4, 9, 10, 13)] == [1, 6, 6, 6]


def test_differences_cost_no_accuracy_and_garbage_costs_its_sender_alone():
    dsfl = method('dsfl', open_samples=15, delta_rounds=5, weighting='none', packed=False)
    server, participant = aggregator(), robot('a')
    tensors, _ = dsfl.train(participant, 1)
    alone = dsfl.aggregate(server, [update('a', **tensors)], 1)
    bad = {'labels': np.full((15, 3), 255, np.uint8)}
    both = dsfl.aggregate(server, [update('a', **tensors), update('b', **bad)], 1)
    np.testing.assert_array_equal(alone['labels'], both['labels'])


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match='delta_rounds'):
        method('dsfl', delta_rounds=3, label_dtype='float32')


def test_ambiguous_labels_are_left_out():
    assert selection.unambiguous(LABELS, 0.7).tolist() == [True, True, False]  # 0.6, 0.4, 0.8
    dsfl = method('dsfl', open_samples=3, ambiguity=0.7, weighting='none', packed=False)
    labels = np.rint(LABELS * 255).astype(np.uint8)
    tensors = dsfl.aggregate(aggregator(), [update('a', labels=labels)], 1)
    assert selection.unpack_mask(tensors['selected'], 3).tolist() == [True, True, False]
    np.testing.assert_allclose(tensors['labels'], labels[:2], atol=1)


def test_only_who_selected_a_sample_labels_it():
    dsfl = method('dsfl', open_samples=3, selection='confidence', weighting='none', packed=False)
    labels = np.rint(LABELS * 255).astype(np.uint8)
    updates = [
        update('a', labels=labels[:1], selected=selection.pack_mask(np.array([1, 0, 0], bool))),
        update('b', labels=labels[1:2], selected=selection.pack_mask(np.array([1, 0, 0], bool))),
    ]
    tensors = dsfl.aggregate(aggregator(), updates, 1)
    assert selection.unpack_mask(tensors['selected'], 3).tolist() == [True, False, False]
    np.testing.assert_allclose(tensors['labels'][0], labels[:2].mean(axis=0), atol=1)


def test_the_density_ratio_knows_its_own_kind():
    rng = np.random.default_rng(0)
    own = rng.normal(0.0, 1.0, (200, 5)).astype(np.float32)
    near = rng.normal(0.0, 1.0, (100, 5)).astype(np.float32)
    far = rng.normal(4.0, 1.0, (100, 5)).astype(np.float32)
    chosen = selection.by_density_ratio(own, np.concatenate([near, far]), 0.125, 0)
    assert chosen[:100].mean() > 0.6
    assert chosen[100:].mean() < 0.05


def test_the_density_ratio_by_hand():
    # One sample x = 0 of its own, one other y = 1, lambda = 1: the closed form is
    # ratio(z) = k(z, x) - k(z, y) k(x, y) / 2, with k(x, y) = exp(-1/2).
    x, y = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    ratio = selection._kulsif(x, y, width=1.0)
    k = np.exp(-0.5)
    np.testing.assert_allclose(ratio(np.concatenate([x, y])), [1 - k * k / 2, k / 2], rtol=1e-5)


def test_confidence_separates_certain_from_guessed():
    own = np.array([[0.9, 0.1], [0.95, 0.05], [0.2, 0.8], [0.8, 0.2]], np.float32)
    others = np.array([[0.5, 0.5], [0.85, 0.15], [0.6, 0.4]], np.float32)
    # From 0.8 on: all own samples and one of three others; from 0.9 on: half and none.
    assert selection.by_confidence(own, others).tolist() == [False, True, False]


def test_features_are_the_inputs_of_the_last_layer():
    participant = robot()
    features = participant.trainer.features(PRIVATE)
    assert features.shape == (20, 5)
    assert len(participant.trainer.features(OPEN)) == len(OPEN)


def test_no_round_comes_before_the_first():
    dsfl = method('dsfl', cache_rounds=3)
    assert dsfl.global_specs(0) == ()
    assert dsfl.exchange.asked(0).tolist() == []


def test_many_classes_need_another_coding():
    info = info_of('dsfl')
    many = dataclasses.replace(info, class_names=tuple(str(n) for n in range(200)))
    with pytest.raises(ConfigError, match='float16'):
        method_of(many)
