"""Fixtures of the tests with real nodes."""

import pytest
from node_fleets import InProcessFleet


@pytest.fixture
def fleet(toy_settings, tmp_path):
    """Return a maker of in-process fleets; they are closed after the test."""
    made = []

    def make(robots=3, output='run', **settings):
        made.append(InProcessFleet({**toy_settings, **settings}, robots, tmp_path / output))
        return made[-1]

    yield make
    for one in made:
        one.close()
