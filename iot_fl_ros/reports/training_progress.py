"""Progress bars of trainings, one per step."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from iot_fl_ros.split.training import Epoch


class TrainingProgress:
    """Shows the epochs of each step; without a terminal it prints a line for each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
            TextColumn('loss {task.fields[loss]:.3f}'), TimeElapsedColumn(),
            TimeRemainingColumn(), console=console,
        )  # fmt: skip

    def __enter__(self) -> TrainingProgress:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, step: str, epoch: Epoch) -> None:
        """Show that an epoch has ended."""
        if not self._console.is_terminal:
            self._console.print(f'{step}: epoch {epoch.number}/{epoch.of}, loss {epoch.loss:.3f}')
            return
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=epoch.of, loss=epoch.loss)
        self._progress.update(self._tasks[step], completed=epoch.number, loss=epoch.loss)
