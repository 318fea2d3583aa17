"""The progress of a run and of a training as it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from iot_fl_ros.reports.tables import percent, size, table_of

if TYPE_CHECKING:
    from rich.progress import TaskID

    from iot_fl_ros.split.training import Epoch

_LAST_ROUNDS = 8


def bars(console: Console) -> Progress:
    """Return bars with description, count and time."""
    return Progress(
        TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console,
    )  # fmt: skip


class TrainingProgress:
    """Shows the epochs of each step; without a terminal it prints a line for each.

    progress: bars that are on the screen already; those of the steps join them.
    """

    def __init__(self, console: Console, progress: Progress | None = None) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._owns = progress is None
        self._progress = progress or bars(console)

    def __enter__(self) -> TrainingProgress:
        if self._owns and self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._owns:
            self._progress.stop()

    def __call__(self, step: str, epoch: Epoch) -> None:
        """Show that an epoch has ended."""
        if not self._console.is_terminal:
            self._console.print(f'{step}: epoch {epoch.number}/{epoch.of}, loss {epoch.loss:.3f}')
            return
        if step not in self._tasks or epoch.number == 1:
            self._tasks[step] = self._progress.add_task(step, total=epoch.of)
        text = f'{step}, loss {epoch.loss:.3f}'
        self._progress.update(self._tasks[step], completed=epoch.number, description=text)


def run_view(title: str, rows: Sequence[Mapping[str, Any]], rounds: int) -> Group:
    """Return a picture of a run by its rows: progress, who takes part, the last rounds."""
    done = [row for row in rows if row['kind'] == 'round']
    bar = Table.grid()
    bar.add_row(ProgressBar(total=rounds, completed=len(done), width=40))
    head = Text(f'{title}: round {len(done)} of {rounds}', style='bold')
    robots = Text('robots: done') if len(done) == rounds else _participants(rows)
    return Group(head, bar, robots, _rounds_table(done[-_LAST_ROUNDS:]))


def _participants(rows: Iterable[Mapping[str, Any]]) -> Text:
    """Return one mark for each robot of the open round: update in, or still at work."""
    asked: list[str] = []
    arrived: set[str] = set()
    gone: set[str] = set()
    for row in rows:
        if row['kind'] == 'open':
            asked, arrived = row['participants'], set()
            gone -= set(asked)
        elif row['kind'] == 'update':
            arrived.add(row['robot'])
        elif row['kind'] == 'gone':
            gone.add(row['robot'])
    text = Text('robots: ')
    for robot in asked:
        mark, style = ('in', 'green') if robot in arrived else ('...', 'yellow')
        if robot in gone:
            mark, style = 'gone', 'red'
        text.append(f'{robot} {mark}  ', style)
    return text if asked else Text('robots: waiting for them', style='yellow')


def _rounds_table(rounds: Sequence[Mapping[str, Any]]) -> Table:
    columns = ['round', 'accuracy', "robots' mean", 'took part', 'late', 'bytes so far', 's']
    rows = [
        [
            str(row['round']), percent(row['accuracy']), percent(row['robot_accuracy']),
            str(len(row['participants'])), str(len(row['late'])), size(row['bytes_total']),
            f'{row["seconds"]:.1f}',
        ]
        for row in rounds
    ]  # fmt: skip
    return table_of('', columns, rows)
