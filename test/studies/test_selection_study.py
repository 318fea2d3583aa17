"""`iot-fl study` of whom to ask: runs that learn and games, kept, and reported."""

import json

import pytest
import yaml

from iot_fl_ros.cli.main import main
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.reports.selection_report import write_selection_report
from iot_fl_ros.studies.selection import Course, games_of, read_games, read_selection_study
from iot_fl_ros.studies.study import read_study

SEEDS = [0, 1]


@pytest.fixture
def tree(toy_settings):
    settings = {k: v for k, v in toy_settings.items() if not k.startswith('method.')}
    settings |= {
        'run.rounds': 4, 'run.deadline': 500.0, 'run.heartbeat': 10.0, 'run.lease': 50.0,
        'model.name': 'mlp', 'data.partition': 'iid', 'select.count': 2,
        'method.name': 'fedavg', 'method.batch_size': 10, 'resources.samples': 50.0,
    }  # fmt: skip
    policies = {'quick': {'select.policy': 'fedcs'}, 'any': {'select.policy': 'random'}}
    section = {'seeds': SEEDS, 'reference': 'quick', 'methods': policies}
    return {
        'kind': 'selection',
        'title': 'Toy',
        'settings': settings,
        'sections': {
            'main': {
                **section,
                'robots': 4,
                'cases': {
                    'still': {'resources.spread': 0.5},
                    'moving': {'resources.step': 0.1, 'select.timing': 'serial'},
                },
            }
        },
        'game_settings': {'game': {'robots': 12, 'rounds': 40}, 'select.count': 3},
        'games': {'game': {**section, 'cases': {'one': {'resources.spread': 0.5}}}},
    }


@pytest.fixture
def command(tree, tmp_path):
    (tmp_path / 'toy.yaml').write_text(yaml.safe_dump(tree))
    return ['study', str(tmp_path / 'toy.yaml'), '--output', str(tmp_path / 'out'), '--jobs', '1']


def test_runs_and_games_are_done_once_and_reported(command, tmp_path, monkeypatch):
    assert main(command) == 0
    report = (tmp_path / 'out/toy.md').read_text()
    for title in ('## main', '### still', '### moving', '## game', '### one'):
        assert title in report
    assert report.count('| quick |') == 3
    assert report.count('| any |') == 3
    for name in ('toy_main.png', 'toy_game.png'):
        assert (tmp_path / 'out' / name).stat().st_size > 5_000
    result = json.loads((tmp_path / 'out/games/game/one/any/seed-1.json').read_text())
    assert len(result['seconds']) == 40
    monkeypatch.setattr('iot_fl_ros.studies.study.StudyRun.do', None)  # nothing is left to do
    monkeypatch.setattr('iot_fl_ros.studies.selection.GameRun.do', None)
    assert main(command) == 0
    assert (tmp_path / 'out/toy.md').read_text() == report


def test_games_that_failed_or_did_not_run_are_named(tree, tmp_path):
    policies = {
        name: {'select.policy': 'fedcs'} for name in ('quick', 'two', 'other', 'bad', 'no')
    }
    tree['games']['game'] |= {'methods': policies, 'goal': ['two', 'other', 'bad', 'no']}
    study = read_selection_study('toy', tree)
    played = {('quick', 0), ('two', 0), ('two', 1), ('other', 1)}
    for run in games_of(study.games):
        if (run.policy, run.seed) in played:
            run.keep(tmp_path, [1.0, 2.0, 3.0, 4.0], '')
        elif run.policy == 'bad':
            run.keep(tmp_path, None, 'out of memory')
    report = write_selection_report(study, tmp_path, tmp_path).read_text()
    assert '| two | 2.50 ± 0.00 | 4.00 ± 0.00 | +0.0 % (1 of 2) |' in report
    assert '| bad | failed |' in report
    assert '| no | not run yet |' in report
    assert '- `games/game/one/bad/seed-1.json`: out of memory' in report
    goals = json.loads((tmp_path / 'toy.json').read_text())['goals']
    assert {goal['name'].split(' / ')[-1]: goal['measured'] for goal in goals} == {
        'two': '+0.0 %, 1 of 2 seeds', 'other': 'no seed that quick has too', 'bad': 'failed',
        'no': 'not run yet',
    }  # fmt: skip
    assert not any(goal['met'] for goal in goals)


def test_goals_of_games_are_those_of_the_file(tree):
    game = tree['games']['game']
    game['cases']['two'] = {'resources.spread': 0.1, 'goal': []}
    assert set(read_selection_study('toy', tree).goals.values()) == {()}
    game['goal'] = ['any']
    goals = read_selection_study('toy', tree).goals
    assert goals == {('game', 'one'): ('any',), ('game', 'two'): ()}
    for wrong in ('any', '', 0, False, {'points': 2}, {}, [{'points': 2}], ['any', 'any']):
        game['goal'] = wrong
        with pytest.raises(ConfigError, match=r"goal of 'game' / 'one' is .* different policies"):
            read_selection_study('toy', tree)
    for wrong, said in (('quick', 'known: any'), ('anny', "did you mean 'any'")):
        game['goal'] = [wrong]
        with pytest.raises(ConfigError, match=f'unknown policy in .*{wrong}.*{said}'):
            read_selection_study('toy', tree)


@pytest.mark.parametrize('key', ['robots', 'reach', 'targets', 'paper'])
def test_games_have_nothing_that_only_runs_have(key, tree):
    tree['games']['game'][key] = 3
    with pytest.raises(ConfigError, match=f"games 'game' has '{key}', which is for runs"):
        read_selection_study('toy', tree)


@pytest.mark.parametrize('key', ['goal', 'reach', 'targets', 'paper'])
def test_runs_have_nothing_that_is_not_reported(key, tree):
    tree['sections']['main'][key] = {}
    with pytest.raises(ConfigError, match=f"section 'main' has '{key}', which this kind"):
        read_selection_study('toy', tree)
    del tree['sections']['main'][key]
    tree['sections']['main']['cases']['still']['goal'] = {}
    with pytest.raises(ConfigError, match="case 'still' has 'goal', which this kind"):
        read_selection_study('toy', tree)


def test_goals_are_met_by_the_whole_interval_alone(tree, tmp_path):
    times = {'quick': (4.0, 4.0), 'short': (2.0, 2.2), 'long': (6.0, 6.2), 'open': (2.0, 6.0)}
    game = tree['games']['game']
    game['methods'] = {name: {'select.policy': 'fedcs'} for name in times}
    game['goal'] = ['short', 'long', 'open']
    study = read_selection_study('toy', tree)
    for run in games_of(study.games):
        run.keep(tmp_path, [times[run.policy][run.seed]] * 4, '')
    write_selection_report(study, tmp_path, tmp_path)
    goals = json.loads((tmp_path / 'toy.json').read_text())['goals']
    assert [goal['met'] for goal in goals] == [True, False, None]
    assert goals[0]['measured'].startswith('-47.5 ±')


def test_what_a_run_can_do_is_part_of_it(tree):
    runs = {}
    for spread in (0.5, 0.6):
        tree['sections']['main']['cases']['still']['resources.spread'] = spread
        plain = {k: v for k, v in tree.items() if not k.startswith('game')}
        runs[spread] = read_study('toy', plain).runs[0]
    assert runs[0.5].path == runs[0.6].path
    assert runs[0.5].digest != runs[0.6].digest
    assert runs[0.5].resources == {'samples': 50.0, 'spread': 0.5}
    games = read_games(tree['games'], tree['game_settings'])
    assert len(games_of(games)) == 4
    assert len({run.digest for run in games_of(games)}) == 2, 'a seed is in the path'


@pytest.mark.parametrize(
    ('place', 'value', 'message'),
    [
        ('settings', {'resources.spred': 1.0}, "did you mean 'spread'"),
        ('settings', {'select.normaliser': 'best'}, "choose 'relative'"),
        ('game_settings', {'game.round': 3}, "did you mean 'rounds'"),
        ('game_settings', {'run.rounds': 3}, 'run.rounds'),
        ('games', {1: {}}, 'games has the name 1, which is no text: quote it'),
        ('sections', {2: {}}, 'sections has the name 2, which is no text'),
    ],
)
def test_mistakes_are_found_before_anything_runs(place, value, message, tree, tmp_path, capsys):
    (tmp_path / 'toy.yaml').write_text(yaml.safe_dump(tree | {place: {**tree[place], **value}}))
    assert main(['study', str(tmp_path / 'toy.yaml'), '--output', str(tmp_path / 'out')]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_course_says_when_an_accuracy_was_reached():
    course = Course((5.0, 9.0, 20.0), (0.5, 0.75, 0.72), 0.5)
    assert course.seconds_to(0.7) == 9.0
    assert course.seconds_to(0.8) != course.seconds_to(0.8), 'never'
    assert course.final == pytest.approx((0.5 + 0.75 + 0.72) / 3)
