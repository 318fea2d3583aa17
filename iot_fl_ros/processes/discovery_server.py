"""A Fast DDS discovery server on this machine, for the time of a run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.ros.network_profile import DISCOVERY_SERVER

_START_TIMEOUT = 10.0
_SERVER_COMMAND = '42'  # `server`, as the tool `fastdds` of Fast DDS 3 calls it


@contextmanager
def discovery_server(profile: str) -> Iterator[None]:
    """Run a server, and name it in the environment, if the profile needs one and nobody names it.

    IotFlError if it cannot be started.
    """
    if profile != 'discovery-server' or os.environ.get(DISCOVERY_SERVER):
        yield
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(('127.0.0.1', 0))
        port = int(probe.getsockname()[1])
    env = {**os.environ, 'LD_LIBRARY_PATH': _library_path()}
    process = subprocess.Popen(
        [*_command(_program(), env), '-i', '0', '-l', '127.0.0.1', '-p', str(port)], env=env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        _wait_until_bound(process, port)
        os.environ[DISCOVERY_SERVER] = f'127.0.0.1:{port}'
        yield
    finally:
        os.environ.pop(DISCOVERY_SERVER, None)
        process.terminate()
        process.wait()


def _command(program: str, env: dict[str, str]) -> list[str]:
    """Return the program and what goes before its options: Fast DDS 3 wants a command first."""
    command = [program, _SERVER_COMMAND]
    try:
        done = subprocess.run(
            [*command, '-v'], env=env, capture_output=True, timeout=_START_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IotFlError(f'cannot start {program}: {error}') from error
    return command if done.returncode == 0 else [program]


def _program() -> str:
    """Return the server's path: of ROS 2's `bin`, or of the wheels."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', '')])
    found = shutil.which('fast-discovery-server', path=path)
    if not found:
        raise IotFlError(
            f'fast-discovery-server is not in {path}: install Fast DDS, or start a server '
            f'elsewhere and set {DISCOVERY_SERVER}=HOST:PORT'
        )
    return found


def _library_path() -> str:
    """Return where the wheels have the server's libraries, before what is set."""
    site = [Path(entry) for entry in sys.path if entry.endswith('site-packages')]
    folders = [sys.prefix + '/lib', *(str(path) for s in site for path in s.glob('ros_*.libs'))]
    return os.pathsep.join([*folders, os.environ.get('LD_LIBRARY_PATH', '')]).rstrip(os.pathsep)


def _wait_until_bound(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server has taken its UDP port."""
    end = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < end:
        if process.poll() is not None:
            raise IotFlError(f'the discovery server ended with code {process.returncode}')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                return
        time.sleep(0.05)
    raise IotFlError(f'the discovery server did not take port {port} in {_START_TIMEOUT:g} s')
