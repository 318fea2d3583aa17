"""The files of a run: rows, a torn end, the summary."""

import json
import math

import pytest
import yaml

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.run_files import (
    RunWriter,
    accuracy_of,
    read_events,
    read_summary,
    summarize,
    write_json,
    write_strict_json,
)


def row(number, accuracy=0.5, **more):
    return {
        'kind': 'round', 'round': number, 'accuracy': accuracy, 'robot_accuracy': 0.4,
        'loss': 1.0, 'seconds': 2.0, 'time': 2.0 * number, 'late': [], 'silent': [],
        'refused': [], 'participants': ['a'], 'bytes_total': 1_000 * number, **more,
    }  # fmt: skip


END = {'kind': 'end', 'robots': 4, 'bytes_per_robot_round': 12.5}


def test_rows_come_back_as_they_were_and_nan_as_nan(tmp_path):
    writer = RunWriter(tmp_path / 'run', {'run.rounds': 2}, 0)
    writer.record(row(1, math.nan, disagreement=math.nan))
    writer.record({'kind': 'open', 'round': 2, 'participants': ['a']})
    first, second = read_events(tmp_path / 'run')
    assert math.isnan(first['accuracy'])
    assert math.isnan(first['disagreement'])
    assert first['bytes_total'] == 1_000
    assert second == {'kind': 'open', 'round': 2, 'participants': ['a']}
    assert yaml.safe_load((tmp_path / 'run/config.yaml').read_text()) == {'run.rounds': 2}
    assert 'NaN' not in (tmp_path / 'run/events.jsonl').read_text(), 'strict JSON'


def test_a_last_line_that_a_crash_cut_off_is_left_out(tmp_path):
    writer = RunWriter(tmp_path, {}, 0)
    writer.record(row(1))
    with (tmp_path / 'events.jsonl').open('a') as file:
        file.write('{"kind": "rou')
    assert [r['round'] for r in read_events(tmp_path)] == [1]
    assert read_events(tmp_path / 'nowhere') == []


@pytest.mark.parametrize(
    ('last', 'kept'), [(0, []), (1, []), (3, [1, 2]), (None, [0, 1, 2, 3, 4])]
)
def test_who_goes_on_drops_the_rows_that_will_be_written_again(tmp_path, last, kept):
    writer = RunWriter(tmp_path, {}, 0)
    for number in range(5):
        writer.record(row(number))
    RunWriter(tmp_path, {}, last)
    assert [r['round'] for r in read_events(tmp_path)] == kept


def test_the_end_writes_the_summary_and_a_new_start_removes_it(tmp_path):
    writer = RunWriter(tmp_path, {}, 0)
    writer.record(row(1))
    with pytest.raises(IotFlError, match='has not ended'):
        read_summary(tmp_path)
    writer.record(END)
    assert read_summary(tmp_path)['rounds'] == 1
    RunWriter(tmp_path, {}, 1)
    with pytest.raises(IotFlError):
        read_summary(tmp_path)


def test_a_summary_by_hand():
    rows = [
        row(1, 0.55, late=['a']),
        row(2, math.nan, silent=['a', 'b'], participants=[]),
        {'kind': 'failed', 'round': 3, 'robot': 'b', 'reason': 'no'},
        row(3, 0.72, robot_accuracy=0.61),
        row(4, 0.70, refused=['c'], robot_accuracy=math.nan),
        END,
    ]
    assert summarize(rows) == {
        'accuracy': 0.72,
        'final_accuracy': 0.70,
        'robot_accuracy': 0.61,
        'rounds': 4,
        'robots': 4,
        'bytes_per_robot_round': 12.5,
        # A quarter of the bytes up to the first round that reached it.
        'bytes_to': {'0.50': 250, '0.60': 750, '0.70': 750},
        'seconds': 8.0,
        'late': 1,
        'silent': 2,
        'refused': 1,
        'failed': 1,
        'aggregated': 3,
    }


def test_a_run_without_rounds_has_a_summary_too():
    summary = summarize([])
    assert (summary['accuracy'], summary['rounds'], summary['seconds']) == (None, 0, 0.0)
    assert summary['bytes_to'] == {'0.50': None, '0.60': None, '0.70': None}


def test_where_the_aggregator_has_no_model_the_robots_count():
    assert accuracy_of(row(1, 0.3)) == 0.3
    assert accuracy_of(row(1, math.nan)) == accuracy_of(row(1, None)) == 0.4


def test_json_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / 'x.json'
    write_json(path, {'a': 1})
    with pytest.raises(TypeError):
        write_json(path, {'a': object()})
    assert json.loads(path.read_text()) == {'a': 1}


def test_json_has_no_nan_at_any_depth(tmp_path):
    value = {'a': [{'b': math.nan}, (1.5, math.nan)], 'c': 'NaN', 'd': None}
    write_strict_json(tmp_path / 'new' / 'file.json', value)
    text = (tmp_path / 'new/file.json').read_text()
    assert json.loads(text) == {'a': [{'b': None}, [1.5, None]], 'c': 'NaN', 'd': None}
