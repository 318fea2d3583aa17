"""The games of a study of whom to ask: play what has not been played."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track

from iot_fl_ros.studies.selection import GameRun, play_one, read_game


def play_games(runs: Sequence[GameRun], output: Path, jobs: int, console: Console) -> None:
    """Play the games that are not on disk; each is there as soon as it is over."""
    missing = [run for run in runs if read_game(run, output) is None]
    tasks = (delayed(play_one)(run, output) for run in missing)
    done = Parallel(n_jobs=jobs, return_as='generator')(tasks)
    for _ in track(done, 'games', total=len(missing), console=console):
        pass
