"""Studies: what is run, what is not run again, what the report says."""

import json
import math

import pytest
import yaml

from iot_fl_ros.cli.main import main
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.reports import kinds
from iot_fl_ros.reports.study_report import write_report
from iot_fl_ros.studies import results
from iot_fl_ros.studies.loss import read_loss_study
from iot_fl_ros.studies.results import Curve, Estimate, curves_of, table
from iot_fl_ros.studies.study import Goal, StudyRun, read_study


def section(**changes):
    return {'sections': {'s': {'methods': {'a': {'method.name': 'dsfl'}}, **changes}}}


@pytest.fixture
def tree(toy_settings):
    settings = {k: v for k, v in toy_settings.items() if not k.startswith('method.')}
    settings |= {'run.rounds': 2, 'model.name': 'mlp', 'method.batch_size': 10}
    return {
        'title': 'Toy',
        'settings': settings,
        'sections': {
            'main': {
                'robots': 2,
                'seeds': [0, 1],
                'reach': 3,
                'goal': {'points': 2.0, 'ratio': 10.0},
                'cases': {'iid': {'data.partition': 'iid'}, 'shards': {'data.shards': 1}},
                'methods': {
                    'fedavg': {'method.name': 'fedavg'},
                    'votes': {'method': {'name': 'dsfl', 'label_dtype': 'vote'}},
                },
            },
            'mixed': {
                'robots': 2,
                'methods': {
                    'two models': {'method.name': 'dsfl', 'robot_models': ['mlp', 'small_cnn']}
                },
            },
        },
    }


@pytest.fixture
def arguments(tree, tmp_path):
    path = tmp_path / 'toy.yaml'
    path.write_text(yaml.safe_dump(tree))
    return ['study', str(path), '--output', str(tmp_path / 'out'), '--jobs', '2']


def test_a_study_runs_once_and_reports(arguments, tree, tmp_path, monkeypatch, capsys):
    assert main(arguments) == 0
    out = tmp_path / 'out'
    assert {p.name for p in out.iterdir()} >= {
        'toy.md', 'toy.json', 'toy_main.png', 'toy_mixed.png', 'main', 'mixed',
    }  # fmt: skip
    report = (out / 'toy.md').read_text()
    assert report.startswith('# Toy\n')
    assert report.count('| votes |') == 2
    assert '9 of 9 runs are done.\n' in report
    page = json.loads((out / 'toy.json').read_text())
    assert page['runs'] == {'done': 9, 'wanted': 9}
    (goal,) = [goal for goal in page['goals'] if 'iid' in goal['name']]
    assert goal['name'] == 'main / iid / votes'
    assert goal['goal'] == '>= -2 points to fedavg at 1/10'
    assert goal['measured'].endswith(', 2 seeds')
    fedavg, votes = page['results']['main']['iid']
    assert fedavg['points'] == {'mean': 0.0, 'half': 0.0}
    assert votes['ratio'] > 10
    assert votes['seeds'] == 2

    monkeypatch.setattr(StudyRun, 'do', None)  # nothing is left to do
    assert main(arguments) == 0
    capsys.readouterr()
    assert main([*arguments, '--list']) == 0
    listing = capsys.readouterr().out
    assert (listing.count('done'), listing.count('todo')) == (9, 0)

    tree['sections']['main']['methods']['votes']['method']['sharpness'] = 7.0
    (tmp_path / 'toy.yaml').write_text(yaml.safe_dump(tree))
    assert main([*arguments, '--list', '--only', 'main']) == 0
    listing = capsys.readouterr().out
    assert (listing.count('done'), listing.count('todo')) == (4, 4)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'sections': {}}, 'has no sections'),
        ({'titel': 'x'}, "did you mean 'title'"),
        ({'settings': {'run.round': 3}}, "did you mean 'run.rounds'"),
        ({'sections': ['a']}, 'a mapping is needed'),
        (section(seeds=[0, 0]), 'different integers'),
        (section(seeds=3), 'different integers'),
        (section(robots='x'), 'int is needed'),
        (section(reach='3'), 'float is needed'),
        (section(reference='b'), 'none of its methods'),
        (section(methods={'a': {'model.name': 'nope'}}), "'nope'"),
        (section(methods={'a': {'robot_models': 'mlp'}}), 'must be a list'),
        (section(methods={'a': {'robot_models': ['nope']}}), "'nope'"),
        (
            section(methods={'a': {'method.delta_rounds': 3, 'method.label_dtype': 'float32'}}),
            'delta_rounds needs',
        ),
    ],
)
def test_mistakes_are_found_before_the_first_run(
    change, message, arguments, tree, tmp_path, capsys
):
    (tmp_path / 'toy.yaml').write_text(yaml.safe_dump(tree | change))
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_run_that_fails_does_not_take_the_others_with_it(tree, tmp_path, capsys):
    tree['sections'] = {'only': {
        'robots': 2,
        'reference': 'good',
        'methods': {'good': {'method.name': 'fedavg'}, 'bad': {'data.private': 'gone.npz'}},
    }}  # fmt: skip
    (tmp_path / 'toy.yaml').write_text(yaml.safe_dump(tree))
    command = ['study', str(tmp_path / 'toy.yaml'), '--output', str(tmp_path / 'out')]
    assert main([*command, '--jobs', '1']) == 1
    assert '1 of 2 runs failed' in capsys.readouterr().out
    report = (tmp_path / 'out/toy.md').read_text()
    assert '| good |' in report
    assert '| bad | failed |' in report
    assert '1 of 2 runs are done. The other 1 are missing below.' in report
    assert '## Runs that failed' in report
    assert 'gone.npz' in report


def ended(accuracy):
    """Return what a run of one round leaves: its rows and seconds."""
    rows = [
        {'kind': 'round', 'round': 1, 'time': 1.0, 'seconds': 1.0, 'accuracy': accuracy,
         'robot_accuracy': math.nan, 'bytes_total': 100, 'late': [], 'silent': [], 'refused': [],
         'participants': []},
        {'kind': 'end', 'robots': 2, 'bytes_up': 60, 'bytes_down': 60},
    ]  # fmt: skip
    return rows, 1.0


@pytest.mark.parametrize('reference', [None, ended(0.8)])
def test_what_has_run_is_there_whatever_became_of_the_reference(tree, tmp_path, reference):
    methods = {name: {'method.name': 'fedavg'} for name in ('fedavg', 'two', 'one', 'none')}
    tree['sections'] = {'s': {
        'seeds': [0, 1], 'methods': methods, 'goal': {'points': 2.0, 'ratio': 1.0}
    }}  # fmt: skip
    study = read_study('toy', tree)
    for run in study.runs:
        if run.method == 'fedavg' and run.seed == 0:
            run.keep(tmp_path, reference, '' if reference else 'out of memory')
        elif run.method == 'two' or (run.method == 'one' and run.seed == 1):
            run.keep(tmp_path, ended(0.7), '')
    report = write_report(study, tmp_path, tmp_path).read_text()
    points = '-10.0 (1 seeds)' if reference else ''
    assert f'| two | 70.0 ± 0.0 % | 70.0 ± 0.0 % | {points} | 60 |' in report
    assert '| one | 70.0 % | 70.0 % |  | 60 |  | open | 1 of 2 |' in report
    assert '| none | not run yet |' in report
    assert ('| fedavg | failed |' in report) == (reference is None)
    goals = json.loads((tmp_path / 'toy.json').read_text())['goals']
    assert [goal['measured'] for goal in goals] == [
        '-10.0 points at 1.00, 1 seeds' if reference else 'no seed that fedavg has too',
        'no seed that fedavg has too',
        'not run yet',
    ]
    assert [goal['met'] for goal in goals] == [None] * 3


def test_a_report_leaves_out_runs_of_other_settings(arguments, tree, tmp_path):
    assert main([*arguments, '--only', 'mixed']) == 0
    assert '| two models |' in (tmp_path / 'out/toy.md').read_text()
    tree['settings']['run.rounds'] = 3
    (tmp_path / 'toy.yaml').write_text(yaml.safe_dump(tree))
    study = read_study('toy', tree)
    assert curves_of(study, tmp_path / 'out') == {}


def test_an_unknown_section_or_file_is_an_error(arguments, capsys):
    assert main([*arguments, '--only', 'nothing']) == 2
    assert main(['study', 'no-such-study']) == 2
    assert 'no-such-study' in capsys.readouterr().err


def test_the_studies_that_come_with_the_package_are_valid():
    study = read_study(*kinds.read_file('traffic'))
    assert len(study.runs) > 100
    assert len({run.path for run in study.runs}) == len(study.runs)
    loss = read_loss_study(*kinds.read_file('loss'))
    assert loss.variants_of('fashion-mnist') == ('COMtune, float32', 'COMtune, 1/16')


def test_the_interval_of_three_seeds_by_hand():
    # t(0.975, 2) = 4.3027; standard deviation 1.
    estimate = Estimate.of([1.0, 2.0, 3.0])
    assert estimate.mean == 2.0
    assert estimate.half == pytest.approx(4.3027 / 3**0.5, rel=1e-4)


def test_of_no_seeds_nothing_is_told():
    estimate = Estimate.of([])
    assert math.isnan(estimate.mean)
    assert math.isnan(estimate.half)


def test_a_table_by_hand(tree):
    study = read_study('toy', tree)
    section = study.sections[0]
    curves = {}
    for run in study.runs:
        if run.section == 'main' and run.case == 'iid':
            votes = run.method == 'votes'
            best = 0.78 + 0.01 * run.seed - (0.01 if votes else 0.0)
            sizes = (100.0, 200.0) if votes else (4_000.0, 8_000.0)
            curves[run] = Curve((0.5, best), sizes)
    fedavg, votes = table(section, section.cases[0], curves)
    assert votes.points.mean == pytest.approx(-1.0)
    assert votes.points.half == pytest.approx(0.0, abs=1e-9)
    assert votes.ratio == 40.0
    assert votes.reach_bytes == 200.0
    assert votes.reach_ratio == 40.0
    assert votes.goal is True
    assert fedavg.goal is None


@pytest.mark.parametrize(
    ('mean', 'half', 'ratio', 'met'),
    [(-1.0, 0.5, 20.0, True), (-1.0, 1.5, 20.0, None), (-3.0, 1.5, 20.0, None),
     (-3.0, 0.5, 20.0, False), (5.0, 0.1, 9.0, False), (5.0, math.nan, 20.0, None)],
)  # fmt: skip
def test_a_goal_is_met_or_missed_by_the_whole_interval(mean, half, ratio, met):
    assert results._met(Estimate(mean, half), ratio, Goal(2.0, 10.0)) is met


def test_a_goal_is_for_the_methods_that_it_names(tree, tmp_path):
    goal = tree['sections']['main']['goal']
    methods = tree['sections']['main']['methods']
    methods['other'] = {'method.name': 'fedprox'}
    assert read_study('toy', tree).sections[0].cases[0].goal.methods == ['votes', 'other']
    goal['methods'] = ['votes']
    study = read_study('toy', tree)
    for run in study.runs:
        run.keep(tmp_path, ended(0.8), '')
    report = write_report(study, tmp_path, tmp_path).read_text()
    assert report.count('| no | 2 of 2 |') == 2  # the bytes are the same
    assert (
        '| other | 80.0 ± 0.0 % | 80.0 ± 0.0 % | 0.0 ± 0.0 | 60 | 1.00 | 60 | 1.00 |  |' in report
    )
    goals = json.loads((tmp_path / 'toy.json').read_text())['goals']
    assert [goal['name'] for goal in goals] == ['main / iid / votes', 'main / shards / votes']
    for wrong, said in (
        (['fedavg'], "unknown method in the goal of 'main', beside the reference, 'fedavg'"),
        (['votes', 'votes'], "goal of 'main' is .* different methods"),
    ):
        goal['methods'] = wrong
        with pytest.raises(ConfigError, match=said):
            read_study('toy', tree)


def test_the_best_accuracy_does_not_hide_a_collapse():
    curve = Curve((0.2, 0.9, math.nan, 0.3, 0.1), (1.0,) * 5)
    assert (curve.best, curve.final) == (0.9, pytest.approx(0.2))


@pytest.mark.parametrize(
    ('mean', 'half', 'expected'),
    [(1.0, 0.5, True), (-1.0, 0.5, False), (0.2, 0.5, None), (9.0, math.nan, None)],
)
def test_a_bar_is_cleared_by_the_whole_interval(mean, half, expected):
    assert results.at_least(Estimate(mean, half), 0.0) is expected
