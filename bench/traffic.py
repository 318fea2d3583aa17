"""Bytes on the interface beside payload, over a link that loses packets.

Five robots in processes at one end, the aggregator at the other (see radio.py); DS-FL labels and
FedAvg weights of 1.66 M parameters, nobody trains. Prints one JSON line: for each profile, method
and loss, the bytes that both ends put on the link (kernel counters) in all, start-up and discovery
included, the payload of the tensors, their ratio, and the median seconds of a round (null = not
finished in time). Needs root, ip and iptables.
Usage: bench/traffic.py [--rounds N] [--losses 0 0.05 0.2] [--profiles wifi same-host]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from fleets import LABELS, WEIGHTS, echo_settings, environment, make_data, run_to_end
from radio import Radio, why_not

from iot_fl_ros.processes.nodes import private_domain

ROBOTS = 5
PARAMETERS = 1_660_000
CLASSES = 10
METHODS = {'dsfl': LABELS, 'fedavg': WEIGHTS}


def payload(method: str, rounds: int) -> int:
    """Return the bytes of the tensors that the robots and the aggregator must exchange."""
    if method == 'fedavg':
        return 4 * PARAMETERS * ROBOTS * (2 * rounds + 1)  # the initial weights go down too
    samples = LABELS['open_samples']
    return samples * ROBOTS * rounds * (CLASSES + 1 + CLASSES)  # with a byte of familiarity


def measure(profile: str, method: str, loss: float, rounds: int, timeout: float) -> dict[str, Any]:
    """Run one fleet over one link."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = echo_settings(
            make_data(folder), 'echo:vector_1660k', METHODS[method], rounds, ROBOTS
        ) | {'run.deadline': timeout, 'run.lease': 30.0}
        env = environment(private_domain(), profile) | {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
        if profile != 'wifi':
            env['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'  # namespaces share /dev/shm
        with Radio(loss) as radio:
            rows = run_to_end(
                settings, ROBOTS, folder, env=env, timeout=timeout, prefix=radio.prefix
            )
            sent = radio.sent_bytes()
    seconds = [row['seconds'] for row in rows if row['kind'] == 'round' and row['participants']]
    done = len(seconds) == rounds
    wanted = payload(method, rounds)
    return {
        'link_bytes': sent,
        'payload_bytes': wanted,
        'ratio': round(sent / wanted, 2) if done else None,
        'round_s': round(statistics.median(seconds), 3) if done else None,
        'rounds': len(seconds),
    }


def main() -> None:
    """Measure everything and print one JSON line; progress goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--losses', nargs='+', type=float, default=[0.0, 0.05, 0.2])
    parser.add_argument('--profiles', nargs='+', default=['wifi', 'same-host'])
    parser.add_argument('--timeout', type=float, default=60.0, help='s for one fleet')
    arguments = parser.parse_args()
    reason = why_not()
    if reason:
        raise SystemExit(f'bench/traffic.py: {reason}')
    os.environ.pop('ROS_DISCOVERY_SERVER', None)
    result: dict[str, Any] = {}
    for profile in arguments.profiles:
        for method in METHODS:
            for loss in arguments.losses:
                figures = measure(profile, method, loss, arguments.rounds, arguments.timeout)
                print(profile, method, loss, figures, file=sys.stderr, flush=True)
                result.setdefault(profile, {}).setdefault(method, {})[f'{loss:g}'] = figures
    print(json.dumps(result))


if __name__ == '__main__':
    main()
