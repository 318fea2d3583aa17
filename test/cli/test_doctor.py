"""The doctor's verb: a line a check, a remedy where one is needed, and the exit code."""

import pytest

from iot_fl_ros.cli.main import main
from iot_fl_ros.ros import checks, robot_checks
from iot_fl_ros.ros.checks import Finding

NAMES = ('clock', 'Wi-Fi', 'packet size', 'discovery server')


@pytest.fixture
def findings(monkeypatch):
    """Findings of the checks by name; all are well until a test changes one."""
    found = {name: Finding(name, True, 'fine', 'nothing') for name in ('ROS 2', *NAMES)}
    monkeypatch.setattr(checks, 'all_checks', lambda: [lambda: found['ROS 2']])
    functions = ('system_clock', 'wifi', 'packet_size', 'discovery_server')
    for function, name in zip(functions, NAMES, strict=True):
        monkeypatch.setattr(robot_checks, function, lambda name=name: found[name])
    monkeypatch.setattr(
        robot_checks, 'camera',
        lambda topic, seconds: Finding('camera', seconds > 1, f'{topic} {seconds:g}', 'plug in'),
    )  # fmt: skip
    monkeypatch.setenv('COLUMNS', '200')
    return found


def test_where_all_is_well_nothing_is_to_be_done(findings, capsys):
    assert main(['doctor']) == 0
    printed = capsys.readouterr().out
    assert printed.count('fine') == len(findings)
    assert all(name in printed for name in findings)
    assert 'nothing' not in printed
    assert 'camera' not in printed


@pytest.mark.parametrize(('advice', 'code', 'said'), [(False, 1, 'FAILED'), (True, 0, 'better')])
@pytest.mark.parametrize('name', ['ROS 2', *NAMES])
def test_what_is_needed_fails_and_advice_does_not(findings, capsys, name, advice, code, said):
    findings[name] = Finding(name, False, 'bad', 'mend it', advice)
    assert main(['doctor']) == code
    printed = capsys.readouterr().out
    assert said in printed
    assert 'mend it' in printed
    assert printed.count('ok') == len(findings) - 1


@pytest.mark.parametrize(('seconds', 'code'), [('2', 0), ('0.5', 1)])
def test_a_camera_is_listened_to_if_it_is_named(findings, capsys, seconds, code):
    assert main(['doctor', '--camera', '/eye', '--seconds', seconds]) == code
    assert f'/eye {seconds}' in capsys.readouterr().out


def test_every_check_is_made_of_this_machine(capsys):
    assert [check.__name__ for check in checks.all_checks()] == [
        'ros', 'messages', 'multicast', 'shared_memory', 'socket_buffers', 'discovery',
    ]  # fmt: skip
