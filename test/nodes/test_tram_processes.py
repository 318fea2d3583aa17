"""Tram-FL over real DDS, in processes that are killed."""

from __future__ import annotations

import contextlib
import random
import time

import pytest
from token_lineage import check_one_lineage
from waiting import wait_for

from iot_fl_ros.processes.serverless import TramProcesses, tram_rows

LEASE = 2.0
ROBOTS = 4


@pytest.fixture
def start_tram(toy_npz, tmp_path):
    """Return a maker of fleets of processes in a domain of their own."""
    fleets = []

    def start(**changes):
        flat = {
            'run.name': 'tram',
            'run.output': str(tmp_path / 'run'),
            'run.heartbeat': 0.2,
            'run.lease': LEASE,
            'run.test_every': 10_000,
            'tram.count': ROBOTS,
            'tram.cycle_batches': 60,
            'tram.batch_size': 50,
            'tram.learning_rate': 0.01,
            'model.name': 'small_cnn',
            'data.private': str(toy_npz),
            'data.test': str(toy_npz),
            'data.partition': 'shards',
            'data.shards': 2,
            'data.private_size': 400,
            'node.exit_when_finished': True,
            **changes,
        }
        fleets.append(TramProcesses(flat))
        return fleets[-1].__enter__()

    yield start
    for fleet in fleets:
        fleet.__exit__(None, None, None)


def wait_for_a_moment(folder, rng):
    """Wait for a moment of a visit or a hand-over: someone's next promise, copy or row."""
    pattern = rng.choice(['*/checkpoints/promises/*', '*/checkpoints/token_*/*', '*/events.jsonl'])

    def newest():
        times = [0]
        for path in folder.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # replaced by the next
                times.append(path.stat().st_mtime_ns)
        return max(times)

    times = rng.randint(1, 4)
    for _ in range(times):
        before = newest()
        wait_for(lambda before=before: newest() > before)


@pytest.mark.parametrize(
    'kills', [2, pytest.param(20, marks=pytest.mark.slow)], ids=lambda kills: f'{kills} kills'
)
def test_a_token_survives_kill_9(start_tram, tmp_path, kills):
    """Kill -9 whoever held the token last, or anybody else, at random moments."""
    fleet = start_tram(**{'run.updates': 1_000_000})
    folder, rng = tmp_path / 'run', random.Random(kills)

    def visits():
        return [row for row in tram_rows(folder, fleet.ids) if row['kind'] == 'visit']

    gaps = []
    for _ in range(kills):
        seen = len(visits())
        wait_for(lambda seen=seen: len(visits()) >= seen + 4, fleet=fleet)
        wait_for_a_moment(folder, rng)
        newest = visits()[-1]
        victim = newest['robot'] if rng.random() < 0.7 else rng.choice(fleet.ids)
        fleet.kill(victim)
        killed = time.time()
        wait_for(lambda fence=newest['fence']: visits()[-1]['fence'] > fence, fleet=fleet)
        gaps.append(visits()[-1]['time'] - killed)
        fleet.start_robots(victim)
        wait_for(lambda victim=victim, t=killed: any(
            row['robot'] == victim and row['time'] > t for row in visits()
        ), fleet=fleet)  # fmt: skip
    print(f'until the next visit was over: {[round(gap, 1) for gap in gaps]} s')
    check_one_lineage(tram_rows(folder, fleet.ids))


def test_a_run_ends_everywhere_with_code_0(start_tram, tmp_path):
    fleet = start_tram(**{'run.updates': 80, 'tram.tokens': 2})
    wait_for(lambda: not any(fleet.running(robot_id) for robot_id in fleet.ids), fleet=fleet)
    assert set(fleet.codes().values()) == {0}
    rows = tram_rows(tmp_path / 'run', fleet.ids)
    for token in (0, 1):
        own = [row for row in rows if row.get('token') == token]
        check_one_lineage(own)
        assert sum(row['batches'] for row in own if row['kind'] == 'visit') >= 80
    assert len([row for row in rows if row['kind'] == 'totals']) == ROBOTS
