"""Answers drawn into pictures."""

from dataclasses import replace

import numpy as np
from message_examples import INFERENCE

from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.ros.convert import ROS_TYPES
from iot_fl_ros.ros.edge_answers import annotated, listen_to_answers


def answer(names, scores, boxes=()):
    fields = {'class_ids': tuple(range(len(names))), 'class_names': names}
    return replace(INFERENCE, scores=scores, boxes=boxes, **fields)


def changed(picture, one):
    return (annotated(picture, one) != picture).any(axis=2)


def test_a_box_is_drawn_where_it_is_and_the_picture_itself_stays_as_it_was():
    picture = np.full((240, 320, 3), 90, np.uint8)
    where = changed(picture, answer(('dog',), (0.9,), (0.25, 0.5, 0.75, 0.875)))
    rows, columns = np.nonzero(where)
    assert columns.min() in range(76, 82)
    assert columns.max() in range(238, 244)
    assert rows.max() in range(208, 214)
    assert not where[130:200, 100:220].any(), 'the inside is free'
    assert (picture == 90).all()


def test_classes_are_written_into_the_corner():
    picture = np.zeros((480, 640, 3), np.uint8)
    where = changed(picture, answer(('dog', 'cat', 'hat', 'cup'), (0.9, 0.05, 0.03, 0.02)))
    rows, columns = np.nonzero(where)
    assert rows.max() < 90
    assert columns.max() < 320


def test_what_came_by_radio_cannot_break_it():
    picture = np.zeros((20, 30, 3), np.uint8)
    boxes = (0.9, -9.0, 0.1, 1e30, -1e30, 0.0, 0.5, 2.0)
    assert annotated(picture, answer(('a\n\x1b', 'ü' * 200), (-1.0, 1e9), boxes)).shape
    assert annotated(picture, answer((), ())).shape


def test_what_is_no_answer_costs_a_warning_and_nothing_else(process, capfd):
    heard, said = [], ['']
    listen_to_answers(process.node('tool'), 'cart_1', heard.append, 10)
    kind = ROS_TYPES[Inference]
    publisher = process.node('stranger').create_publisher(kind, '/cart_1/inference', 10)
    wrong = kind(robot_id='cart_1', class_ids=[1, 2], class_names=['one'], scores=[0.5])

    def told():
        publisher.publish(wrong)
        said[0] += capfd.readouterr().err
        return 'an answer is refused' in said[0]

    process.spin_until(told)
    right = kind(robot_id='cart_1', class_ids=[1], class_names=['one'], scores=[0.5])

    def came():
        publisher.publish(right)
        return heard

    process.spin_until(came)
    assert heard[0].class_names == ('one',)
