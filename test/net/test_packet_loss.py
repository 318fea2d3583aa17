"""Whole fleets over a link on which the kernel drops packets."""

import pytest
from domains import next_domain
from fleets import LABELS, WEIGHTS, echo_settings, environment, make_data, run_to_end
from radio import Radio, why_not

ROBOTS = 5
ROUNDS = 2
REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.mark.parametrize('loss', [pytest.param(0.05, marks=pytest.mark.slow), 0.2])
@pytest.mark.parametrize(('name', 'method'), [('dsfl', LABELS), ('fedavg', WEIGHTS)])
def test_rounds_complete_with_the_wifi_profile(name, method, loss, tmp_path):
    settings = echo_settings(make_data(tmp_path), 'echo:vector_1660k', method, ROUNDS, ROBOTS) | {
        'run.deadline': 120.0,
        'run.lease': 20.0,
    }
    env = environment(next_domain(), 'wifi') | {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
    with Radio(loss) as radio:
        rows = run_to_end(settings, ROBOTS, tmp_path, env=env, timeout=240.0, prefix=radio.prefix)
        dropped = radio.dropped_packets()
    rounds = [row for row in rows if row['kind'] == 'round']
    assert [row['round'] for row in rounds] == list(range(1, ROUNDS + 1))
    assert all(len(row['participants']) == ROBOTS for row in rounds), 'nobody was left behind'
    assert dropped > 20, 'the link was bad'
    said = (tmp_path / 'log' / 'aggregator.log').read_text()
    assert 'fell silent' not in said, 'who leaves says so until it is heard'
    print(f'{name} at {loss:.0%}: {[row["seconds"] for row in rounds]} s, {dropped} dropped')
