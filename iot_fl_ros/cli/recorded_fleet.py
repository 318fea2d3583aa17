"""A fleet of processes whose run is recorded from its first message on."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iot_fl_ros.cli.processes import FleetProcesses
from iot_fl_ros.core.errors import IotFlError

_RECORDER = 'recorder'
_PATIENCE = 120.0
# Participants of DDS make themselves known every 3 s.
_SETTLE = 4.0


class RecordedFleet(FleetProcesses):
    """Starts recorder and robots, and the aggregator when the recorder hears all robots.

    What a robot sends before DDS has matched it with the recorder is in no bag, and a first round
    may be over by then.
    """

    def __init__(
        self, settings: Mapping[str, Any], robots: int, folder: Path, bag: Path, **options: Any
    ) -> None:
        super().__init__({'run.settle': _SETTLE, **settings}, robots, folder, **options)
        self._bag = bag
        self._namespace = str(settings.get('node.fleet_namespace', '/fleet')).rstrip('/')

    def start_aggregator(self) -> None:
        """Start the aggregator once the recorder hears every robot."""
        self._wait()
        super().start_aggregator()

    def __enter__(self) -> RecordedFleet:
        if self._bag.exists():
            raise IotFlError(f'--record {self._bag} is there already: choose another name')
        values = (f'bag:={self._bag.absolute()}', 'fleet:=true',
                  f'fleet_namespace:={self._namespace}')  # fmt: skip
        self.start(_RECORDER, [part for value in values for part in ('-p', value)])
        try:
            super().__enter__()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE
        pattern = re.compile(
            rf'recording {re.escape(self._namespace)}/updates of (\d+) publishers'
        )
        heard = 0
        while heard < self._robots:
            self.check()
            heard = max((int(n) for n in pattern.findall(self.log(_RECORDER))), default=0)
            if time.monotonic() > end:
                raise IotFlError(
                    f'the recorder hears {heard} of {self._robots} robots:\n{self.tail(_RECORDER)}'
                )
            time.sleep(0.1)
