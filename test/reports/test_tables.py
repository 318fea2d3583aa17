"""Tables for a terminal: nothing is cut, however narrow it is."""

import io

import pytest
from rich.console import Console

from iot_fl_ros.reports.tables import table_of

COLUMNS = ['method', 'accuracy of the robots', 'bytes a round', 'note', 'seconds of all rounds']
ROWS = [
    ['dsfl', '83.4%', '1,234,567', 'stopped at its target', '123'],
    [
        'fedavg[bold]',
        '79.0%',
        '9,876,543,210',
        'a_word_that_is_very_long_and_cannot_be_parted',
        '7',
    ],
]


def shown(width, columns=COLUMNS, rows=ROWS):
    console = Console(file=io.StringIO(), width=width)
    console.print(table_of('What came out', columns, rows, left=['note']))
    return console.file.getvalue()


@pytest.mark.parametrize('width', [36, 40, 60, 80, 120])
def test_every_cell_and_title_is_there_at_every_width(width):
    text = shown(width)
    assert max(map(len, text.splitlines())) <= width
    assert '…' not in text
    whole = ''.join(text.split())
    for row in ROWS:
        for cell in row[:3]:
            assert cell in whole
    for word in ' '.join(COLUMNS).split():
        assert word in whole


def test_what_fits_is_a_table_and_what_does_not_is_a_block_for_each_row():
    assert '┃' in shown(80)
    assert '┃' not in shown(40)
    assert 'accuracy of the robots  83.4%' in shown(40)


def test_a_table_that_nearly_fits_loses_its_lines():
    columns = ['model', *(f'{rate}%' for rate in range(10, 90, 10)), 'B a frame']
    text = shown(74, columns, [['tuned, 4 bits', *['100.0'] * 8, '32,816']])
    assert '┃' not in text
    assert max(map(len, text.splitlines())) <= 74
    (line,) = [line for line in text.splitlines() if 'tuned' in line]
    assert line.split() == ['tuned,', '4', 'bits', *['100.0'] * 8, '32,816']


def test_an_empty_table_has_its_titles():
    assert 'no rows of method, accuracy' in ' '.join(shown(20, rows=[]).split())
