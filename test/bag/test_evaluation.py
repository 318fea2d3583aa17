"""A bag's pictures through head, link and tail: the right answers, and the same ones twice."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch
from rclpy.serialization import serialize_message
from shown_pictures import show
from tiny_split import CLASSES, tiny_bundle

from iot_fl_ros.bag.definitions import canonical
from iot_fl_ros.bag.evaluation import EvaluationSettings, evaluate
from iot_fl_ros.bag.evaluation_figures import BoxAgreement, figures_of
from iot_fl_ros.bag.pictures import pictures
from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.bag.writer import BagWriter
from iot_fl_ros.cli.main import main
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.data.image_stream import open_stream
from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.memory.split import SplitSimulation
from iot_fl_ros.ros.convert import decode, encode

LABEL = 'iot_fl_ros/msg/Inference'


@pytest.fixture
def bundle(tmp_path):
    return tiny_bundle(tmp_path / 'bundles' / 'tiny')


def run(path, tmp_path, losses=(0.0,), **settings):
    with open_bag(path) as bag:
        return evaluate(bag, tmp_path / 'bundles' / 'tiny', losses, EvaluationSettings(**settings))


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_answers_are_those_of_the_simulated_nodes(shoot, bundle, tmp_path, picture_folder):
    """The same machines, codec and link seeds: the same answers, whoever drives them."""
    found = run(shoot(), tmp_path, (0.4,), bits=2)
    shown = [picture.rgb for picture in open_stream(str(picture_folder))]
    simulation = SplitSimulation(
        tmp_path / 'bundles', ['robot_0'], 'tiny', LinkSettings(loss=0.4), bits=2
    )
    nodes = show(simulation, shown, 10.0)
    answers = [found.runs[0].answers[n] for n in range(len(shown))]
    assert [a.scores for a in answers] == [a.scores for a in nodes]
    assert [a.received for a in answers] == [a.received for a in nodes]
    assert 0 < answers[0].received < 1


def test_without_loss_and_rounding_the_split_model_is_the_unsplit_one(shoot, bundle, tmp_path):
    (figures,) = figures_of(run(shoot(), tmp_path, bits=32))
    assert (figures.answered, figures.agreement, figures.packets_lost) == (1.0, 1.0, 0.0)
    assert figures.latency_p99 == pytest.approx(0.0, abs=1e-6)


def test_the_unsplit_model_is_head_and_tail_in_a_row(shoot, bundle, tmp_path, picture_folder):
    evaluation = run(shoot(), tmp_path, bits=1)
    for answer, picture in zip(evaluation.unsplit, open_stream(str(picture_folder)), strict=True):
        inputs = torch.from_numpy(bundle.input.prepare(picture.rgb)[None])
        with torch.inference_mode():
            logits = bundle.cut.tail(*bundle.cut.features(inputs))
        assert answer.class_ids.tolist() == logits[0].argsort(descending=True).tolist()


def test_losses_cost_packets_and_delay_costs_time(shoot, bundle, tmp_path):
    link = LinkSettings(delay=0.03)
    none, half, all_ = figures_of(run(shoot(), tmp_path, (0.0, 0.5, 1.0), link=link))
    assert none.latency_p50 == pytest.approx(0.03, abs=1e-3)
    assert half.packets_lost == pytest.approx(0.5, abs=0.1)
    assert half.features_received == pytest.approx(0.5, abs=0.1)
    assert (all_.answered, all_.agreement, all_.latency_p50) == (0.0, 0.0, None)


@pytest.mark.parametrize('stamps', [[5] * 12, list(range(12, 0, -1)), [0] * 12])
def test_stamps_that_make_no_sense_lose_no_picture(shoot, bundle, tmp_path, stamps):
    with open_bag(shoot()) as bag, BagWriter(tmp_path / 'odd') as writer:
        writer.add_topic('/i', 'sensor_msgs/msg/Image')
        for stamp, picture in zip(stamps, pictures(bag, '/camera/image'), strict=True):
            picture.message.header.stamp.sec = stamp
            writer.write('/i', 10**9, serialize_message(picture.message))
    evaluation = run(tmp_path / 'odd', tmp_path, (0.0, 0.5))
    assert [sorted(r.answers) for r in evaluation.runs] == [list(range(12))] * 2


def test_a_picture_that_cannot_be_used_costs_itself_alone(shoot, bundle, tmp_path):
    with open_bag(shoot()) as bag, BagWriter(tmp_path / 'odd') as writer:
        writer.add_topic('/i', 'sensor_msgs/msg/Image')
        for number, picture in enumerate(pictures(bag, '/camera/image')):
            if number == 3:
                picture.message.encoding = 'none such'
            writer.write('/i', picture.stamp, serialize_message(picture.message))
    evaluation = run(tmp_path / 'odd', tmp_path)
    assert [n for n, answer in enumerate(evaluation.unsplit) if answer is None] == [3]
    assert sorted(evaluation.runs[0].answers) == [0, 1, 2, *range(4, 12)]
    assert figures_of(evaluation)[0].answered == 11 / 12


@pytest.mark.parametrize('length', [0, 40])
@pytest.mark.parametrize('salvage', [False, True])
def test_a_message_that_is_torn_costs_itself_alone(shoot, bundle, tmp_path, length, salvage):
    with open_bag(shoot()) as bag, BagWriter(tmp_path / 'odd') as writer:
        writer.add_topic('/i', 'sensor_msgs/msg/Image')
        for number, message in enumerate(bag.messages()):
            writer.write('/i', message.stamp, message.raw[: length if number == 5 else None])
    with open_bag(tmp_path / 'odd', salvage=salvage) as bag:
        folder = tmp_path / 'bundles' / 'tiny'
        evaluation = evaluate(bag, folder, (0.0,), EvaluationSettings())
    assert [n for n, answer in enumerate(evaluation.unsplit) if answer is None] == [5]
    assert len(evaluation.runs[0].answers) == 11


def test_pictures_none_of_which_can_be_used_cost_one_line(shoot, bundle, tmp_path):
    with open_bag(shoot()) as bag, BagWriter(tmp_path / 'odd') as writer:
        writer.add_topic('/i', 'sensor_msgs/msg/Image')
        for picture in pictures(bag, '/camera/image'):
            picture.message.encoding = 'none such'
            writer.write('/i', picture.stamp, serialize_message(picture.message))
    with pytest.raises(DataError, match=r"no picture of /i can be used: .*'none such'"):
        run(tmp_path / 'odd', tmp_path)


def test_jpegs_are_judged_too(shoot, bundle, tmp_path):
    evaluation = run(shoot(shooting={'quality': 80}), tmp_path)
    assert evaluation.topic == '/camera/image/compressed'
    assert len(evaluation.runs[0].answers) == 12


def labelled(shoot, tmp_path, evaluation, wrong, shift=0, name=str):
    """A bag with the unsplit model's answers as truth, but for the first `wrong` ones.

    shift: of the numbers of classes; name: of a class, by its number in the bundle.
    """
    source = shoot('plain')
    with open_bag(source) as bag, BagWriter(tmp_path / 'labelled') as writer:
        writer.add_topic('/camera/image', 'sensor_msgs/msg/Image')
        writer.add_topic('/camera/image/labels', LABEL)
        for number, message in enumerate(bag.messages()):
            first = int(evaluation.unsplit[number].class_ids[0])
            label = (first + (number < wrong)) % len(CLASSES)
            header = SourceHeader(message.stamp, 'camera')
            truth = Inference(
                header=header,
                robot_id='truth',
                session=0,
                epoch=0,
                frame=0,
                received=1.0,
                latency=0.0,
                class_ids=(label + shift,),
                class_names=(name(label),),
                scores=(1.0,),
                boxes=(),
            )
            writer.write('/camera/image', message.stamp, message.raw)
            writer.write('/camera/image/labels', message.stamp, canonical(LABEL, encode(truth)))
    return tmp_path / 'labelled'


def test_labels_give_accuracy(shoot, bundle, tmp_path):
    first = run(shoot(), tmp_path, bits=32)
    assert figures_of(first)[0].accuracy is None
    path = labelled(shoot, tmp_path, first, wrong=3)
    (figures,) = figures_of(run(path, tmp_path, bits=32))
    assert (figures.accuracy, figures.agreement) == (9 / 12, 1.0)


def test_labels_count_by_the_names_of_their_classes(shoot, bundle, tmp_path):
    first = run(shoot(), tmp_path, bits=32)
    names = first.bundle.class_names
    path = labelled(shoot, tmp_path, first, wrong=3, shift=1_000, name=lambda n: names[n])
    named = run(path, tmp_path, bits=32)
    assert figures_of(named)[0].accuracy == 9 / 12
    assert not named.strange
    for name in ('labelled', 'plain'):
        (tmp_path / name).rename(tmp_path / f'former {name}')
    path = labelled(shoot, tmp_path, first, wrong=0, name=lambda n: f'thing {n}')
    strange = run(path, tmp_path, bits=32)
    assert figures_of(strange)[0].accuracy is None
    assert sum(strange.strange.values()) == 12


def test_a_topic_without_labels_is_named(shoot, bundle, tmp_path):
    with open_bag(shoot()) as bag, pytest.raises(ConfigError, match=r'no labels .* on /x'):
        evaluate(bag, tmp_path / 'bundles' / 'tiny', (0.0,), EvaluationSettings(), labels='/x')


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def command(shoot, bundle, tmp_path, capsys):
    """Return a function that runs the verb and gives its output folder and what it printed."""
    path = shoot()

    def evaluated(output, *more, code=0):
        arguments = ['evaluate', '--bag', str(path), '--bundle', 'tiny',
                     '--bundle-dir', str(tmp_path / 'bundles'),
                     '--output', str(tmp_path / output), *more]  # fmt: skip
        assert main(arguments) == code
        return tmp_path / output, capsys.readouterr()

    return evaluated


def test_the_same_command_twice_gives_identical_files(command):
    more = ('--loss', '0', '0.3', '--set', 'link.jitter=0.001', '--set', 'link.seed=4')
    first, second = files_of(command('a', *more)[0]), files_of(command('b', *more)[0])
    assert set(first) == {
        'summary.json', 'table.csv', 'table.md', 'agreement.png', 'latency.png',
        'answers/metadata.yaml', 'answers/answers_0.mcap',
    }  # fmt: skip
    assert first == second
    assert files_of(command('b', *more)[0]) == second, 'into the same folder'
    other = files_of(command('c', *more[:-1], 'link.seed=5')[0])
    assert other['answers/answers_0.mcap'] != first['answers/answers_0.mcap']


def test_the_files_say_what_came_of_it(command):
    folder, printed = command('out', '--loss', '0', '0.5')
    summary = json.loads((folder / 'summary.json').read_text())
    with (folder / 'table.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row['loss']) for row in rows] == [0.0, 0.5]
    assert [float(row['agreement']) for row in rows] == [
        one['agreement'] for one in summary['losses']
    ]
    assert (folder / 'table.md').read_text().count('\n') == 4
    assert cv2.imread(str(folder / 'agreement.png')).std() > 10
    assert '12 pictures of /camera/image' in printed.out


def test_the_answers_are_a_bag_with_the_headers_of_the_pictures(command):
    folder, _ = command('out', '--loss', '0', '0.5', '--set', 'link.delay=0.01')
    with open_bag(folder / 'answers') as bag:
        assert {name: topic.count for name, topic in bag.topics.items()} == {
            '/evaluation/unsplit/inference': 12, '/evaluation/loss_0/inference': 12,
            '/evaluation/loss_0_5/inference': 12,
        }  # fmt: skip
        messages = bag.messages(['/evaluation/loss_0/inference'])
        found = [(message.stamp, decode(Inference, message.raw)) for message in messages]
    for number, (stamp, answer) in enumerate(found):
        assert answer.header == SourceHeader(10**9 + number * 10**8, 'camera')
        assert stamp - answer.header.stamp == pytest.approx(0.01e9, rel=0.01)
        assert len(answer.class_ids) == len(CLASSES)


def test_what_is_wrong_costs_one_line(command, tmp_path):
    for more, message in (
        (('--loss', '1.5'), '--loss is'),
        (('--topic', '/nothing'), '--topic can be /camera/image'),
        (('--bundle', 'none'), 'is not a bundle'),
        (('--set', 'link.los=0.1'), "did you mean 'link.loss'"),
        (('--bag', str(tmp_path / 'none')), 'does not exist'),
    ):
        folder, printed = command('out', *more, code=2)
        assert message in printed.err
        assert printed.err.count('\n') == 1
        assert not folder.exists()
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'thesis.txt').touch()
    assert 'something else' in command('out', code=2)[1].err


# --- agreement of boxes -------------------------------------------------------------------------


def test_boxes_agree_if_they_overlap_by_half():
    wanted = np.array([[0, 0, 1, 1], [0, 0, 0.2, 0.2]], np.float32)
    found = np.array([[0, 0, 1, 0.75], [0.5, 0.5, 0.7, 0.7]], np.float32)
    agreement = BoxAgreement()
    agreement.add([0, 0], found, [0, 0], wanted)
    assert (agreement.objects, agreement.found, agreement.others) == (2, 1, 1)
    assert agreement.overlap == pytest.approx(0.75)
    assert agreement.f1 == 0.5
    agreement.add([1], wanted[:1], [0], wanted[:1])
    assert (agreement.found, agreement.others) == (1, 2), 'another class is another object'
