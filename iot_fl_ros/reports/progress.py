"""Progress bars."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from rich.progress import TaskID

    from iot_fl_ros.split.training import Epoch


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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owns:
            self._progress.stop()

    def __call__(self, step: str, epoch: Epoch) -> None:
        """Show that an epoch has ended."""
        if not self._console.is_terminal:
            self._console.print(f'{step}: epoch {epoch.number}/{epoch.of}, loss {epoch.loss:.3f}')
            return
        if step not in self._tasks or epoch.number == 1:
            self._tasks[step] = self._progress.add_task(step, total=epoch.of)
        self._progress.update(
            self._tasks[step], completed=epoch.number,
            description=f'{step}, loss {epoch.loss:.3f}',
        )  # fmt: skip
