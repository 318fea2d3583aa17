"""The table of a replay that changed something."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table

from iot_fl_ros.reports.tables import table_of

if TYPE_CHECKING:
    from iot_fl_ros.bag.what_if import Difference

_COLUMNS = (
    'round', 'left out', 'same', 'classes changed', 'distance', 'accuracy', 'then', 'note',
)  # fmt: skip


def differences_table(differences: Iterable[Difference]) -> Table:
    """Return the table of what would have come out of each round; unknown cells are empty."""
    rows = [
        [
            str(one.number), ' '.join(one.left_out), 'yes' if one.same else 'no',
            _number(one.classes_changed, '.2%'), _number(one.distance, '.5f'),
            _number(one.accuracy, '.1%'), _number(one.accuracy_then, '.1%'), one.note,
        ]
        for one in differences
    ]  # fmt: skip
    title = 'What would have come out of each round'
    return table_of(title, _COLUMNS, rows, left=('left out', 'note'))


def _number(value: float, form: str) -> str:
    return '' if math.isnan(value) else format(value, form)
