"""The figures of pictures that were shown to a head."""

import json

import pytest

from iot_fl_ros.split.answers import Answered, write_answers


@pytest.fixture
def written(tmp_path):
    """Return what is written about pictures."""

    def write(shown, **tail):
        path = tmp_path / 'new' / 'answers.json'
        write_answers(path, shown, tail)
        return json.loads(path.read_text())

    return write


def test_a_picture_without_an_answer_counts_as_wrong(written):
    shown = [Answered(1, 1, 0.01, 1.0), Answered(2, 3, 0.03, 0.5), Answered(4)]
    result = written(shown, **{'packets received': '6', 'packets lost': '2'})
    assert result.pop('tail') == {'packets received': '6', 'packets lost': '2'}
    assert result == pytest.approx(
        {
            'pictures': 3, 'answered': 2 / 3, 'accuracy': 1 / 3, 'accuracy_of_answered': 0.5,
            'features_received': 0.75, 'packets_received': 0.75, 'latency_p50': 0.02,
            'latency_p99': 0.0298,
        }
    )  # fmt: skip


def test_what_is_not_known_is_null(written):
    result = written([Answered(-1, 3, 0.01, 1.0, {'class': 3}), Answered(-1)])
    assert result['accuracy'] is None
    assert result['accuracy_of_answered'] is None
    assert result['packets_received'] is None
    assert result['answers'] == [{'class': 3}, None]
    result = written([])
    assert (result['pictures'], result['answered'], result['latency_p50']) == (0, 0.0, None)
    assert 'answers' not in result
