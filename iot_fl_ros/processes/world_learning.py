"""Learning from what the robots of the simulated hall collected: alone, and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.processes.federation import run_fleet
from iot_fl_ros.processes.mesh import run_mesh
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.world.collection import OTHERS, OWN

# Of an aggregator alone; a robot without one does not know them.
_AGGREGATORS = ('run.deadline', 'run.start_timeout', 'data.test_size')


@dataclass(frozen=True)
class Learning:
    """Runs over DDS in folders of `output`. own: further settings of single robots, by id."""

    settings: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Path]]
    output: Path
    console: Console
    env: Mapping[str, str]

    @classmethod
    def from_collected(
        cls,
        output: Path,
        ids: Sequence[str],
        rounds: int | None,
        console: Console,
        env: Mapping[str, str],
    ) -> Learning:
        """Return what config/sim.yaml says, for the samples in `output`/<robot id>."""
        settings = read_yaml(share_folder() / 'config' / 'sim.yaml')
        if rounds:
            settings['run.rounds'] = rounds
        own = {
            robot_id: {
                'data.private': output / robot_id / OWN, 'data.test': output / robot_id / OTHERS,
            }
            for robot_id in ids
        }  # fmt: skip
        return cls(settings, own, output, console, env)

    def alone(self) -> dict[str, float]:
        """Return the robots' accuracies after the same rounds without the others."""
        settings = {
            name: value
            for name, value in self.settings.items()
            if not name.startswith('method.') and name not in _AGGREGATORS
        }
        settings |= {
            **read_yaml(share_folder() / 'config' / 'alone.yaml'),
            'run.name': 'sim-alone',
            'run.output': str(self.output / 'alone'),
            'mesh.count': len(self.own),
        }
        summary = run_mesh('alone', settings, console=self.console, env=self.env, own=self.own)
        return dict(summary['accuracies'])

    def together(self) -> dict[str, float]:
        """Return the robots' accuracies after the last round of DS-FL; IotFlError without one."""
        folder = self.output / 'together'
        settings = {
            **self.settings,
            'run.name': 'sim',
            'run.robots': len(self.own),
            'run.output': str(folder),
        }
        run_fleet(
            'together', settings, len(self.own), console=self.console, env=self.env, own=self.own
        )
        rows = [row for row in read_events(folder) if row['kind'] == 'robot']
        accuracies = {row['robot']: float(row['accuracy']) for row in rows}
        missing = sorted(set(self.own) - set(accuracies))
        if missing:
            raise IotFlError(f'no update of {", ".join(missing)}: see {folder}')
        return accuracies
