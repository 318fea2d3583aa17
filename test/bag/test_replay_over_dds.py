"""Ten rounds over DDS, recorded by a process of its own, and played back."""

import shutil
import time

import pytest

from iot_fl_ros.bag.federation import read_federation
from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.cli.main import main
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.processes.federation import RecordedFleet

ROUNDS = 10


@pytest.fixture
def recorded(toy_settings, tmp_path):
    settings = {
        **toy_settings, 'run.rounds': ROUNDS, 'run.robots': 3,
        'run.output': str(tmp_path / 'run'), 'node.exit_when_finished': True,
    }  # fmt: skip
    fleet = RecordedFleet(settings, 3, tmp_path / 'run', tmp_path / 'bag', robots_per_process=3)
    with fleet:
        end = time.monotonic() + 120
        while fleet.running('aggregator'):
            fleet.check()
            assert time.monotonic() < end, fleet.log('aggregator')
            time.sleep(0.1)
    assert set(fleet.codes().values()) == {0}, fleet.codes()
    # A plan may be overwritten by the next one before it is taken, what is aggregated may not.
    assert 'dropped 0' in fleet.log('recorder')
    assert 'of /fleet/updates' not in fleet.log('recorder').split('never came')[1]
    return tmp_path


def printed_by(capsys, *arguments, code):
    assert main(['replay', *map(str, arguments)]) == code
    return ' '.join(capsys.readouterr().out.split())


def test_ten_rounds_are_identical_and_a_changed_byte_is_found(recorded, capsys):
    bag = recorded / 'bag'
    printed = printed_by(capsys, '--bag', bag, code=0)
    assert f'identical: every result of {ROUNDS} rounds' in printed
    rounds = [row for row in read_events(recorded / 'run') if row['kind'] == 'round']
    with open_bag(bag) as opened:
        federation = read_federation(opened)
        assert opened.topics['/fleet/round_report'].count == ROUNDS
    assert [one.accepted for one in federation.ended] == [
        tuple(row['participants']) for row in rounds
    ]
    # The same, with one byte of what robot_1 sent in round 7 changed in the file.
    shutil.copytree(bag, recorded / 'changed')
    file = recorded / 'changed' / 'bag_0.mcap'
    (found,) = federation.rounds[7].updates['robot_1'].sets.values()
    content = bytearray(file.read_bytes())
    content[content.index(bytes(found.chunks[0].data)) + 30] ^= 1
    file.write_bytes(content)
    printed = printed_by(capsys, '--bag', recorded / 'changed', code=1)
    assert 'NOT identical: the first round that does not follow is 7, robot_1' in printed
    # And in thought.
    printed = printed_by(capsys, '--bag', bag, '--without', 'robot_2', code=0)
    assert printed.count('robot_2') >= ROUNDS
