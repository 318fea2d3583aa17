"""A small fleet of processes under every network profile."""

import contextlib
import os
import socket
import time
from collections import Counter

import pytest

from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.processes.discovery_server import discovery_server
from iot_fl_ros.processes.federation import FleetProcesses
from iot_fl_ros.ros.network_profile import DISCOVERY_SERVER, PROFILES, VARIABLE

PATIENCE = 90.0
PROCESSES = 2
QUESTIONS = 25  # of each: by then it would long have met the others, if it could


def start_fleet(profile, settings, folder, **more):
    env = {VARIABLE: profile, **more}
    settings = settings | {
        'run.output': str(folder / 'run'),
        'run.robots': 2,
        'run.start_timeout': PATIENCE,
        'node.exit_when_finished': True,
    }
    return FleetProcesses(settings, 2, folder, robots_per_process=2, env=env)


def kinds(folder):
    return [row['kind'] for row in read_events(folder / 'run')]


def wait(condition, fleet, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        fleet.check()
        assert time.monotonic() < end, fleet.tail('aggregator')
        time.sleep(0.05)


@pytest.mark.parametrize('profile', PROFILES)
def test_a_fleet_runs(profile, toy_settings, tmp_path):
    with discovery_server(profile):
        named = {k: os.environ[k] for k in (DISCOVERY_SERVER,) if k in os.environ}
        with start_fleet(profile, toy_settings, tmp_path, **named) as fleet:
            wait(lambda: 'end' in kinds(tmp_path), fleet)
    assert kinds(tmp_path).count('round') == 3


def test_without_its_discovery_server_nobody_is_found(toy_settings, tmp_path):
    """A server that is silent: all ask it, again and again, and find nobody by other ways."""
    asked = Counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(('127.0.0.1', 0))
        silent.settimeout(0.1)
        server = {DISCOVERY_SERVER: f'127.0.0.1:{silent.getsockname()[1]}'}
        with start_fleet('discovery-server', toy_settings, tmp_path, **server) as fleet:

            def asked_in_vain():
                assert 'open' not in kinds(tmp_path), 'the server is not used'
                with contextlib.suppress(TimeoutError):
                    asked[silent.recv(65_536)[8:20]] += 1  # who sent an RTPS message
                return sum(count >= QUESTIONS for count in asked.values()) >= PROCESSES

            wait(asked_in_vain, fleet)
    assert 'open' not in kinds(tmp_path)
