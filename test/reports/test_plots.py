"""Plots: whatever is drawn can be seen, see `figure_check`, which looks at every figure."""

import math

import networkx as nx
import numpy as np
import pytest

from iot_fl_ros.reports import selection_report, study_report
from iot_fl_ros.reports.figures import panels, plt, save
from iot_fl_ros.reports.run_plots import _draw
from iot_fl_ros.reports.serverless_plots import plot_mesh, plot_tram
from iot_fl_ros.studies.results import Curve
from iot_fl_ros.studies.selection import Course
from iot_fl_ros.studies.study import read_study

METHODS = {
    f'a method with a rather long name, number {number}': {'method.name': 'fedavg'}
    for number in range(12)
}


@pytest.fixture
def study():
    """A study of twelve methods in two cases, of which one is hard."""
    cases = {'easy': {}, 'hard': {'data.seed': 1}}
    section = {'methods': METHODS, 'cases': cases, 'seeds': [0, 1, 2]}
    settings = {'data.private': 'fashion-mnist', 'data.test': 'fashion-mnist'}
    return read_study('toy', {'settings': settings, 'sections': {'main': section}})


def test_every_method_can_be_seen_in_every_case_of_a_study(study, tmp_path, checked_figures):
    level = {'easy': 0.8, 'hard': 0.15}
    last = (0.9, 1.0, 1.1)  # of three seeds: wide intervals
    curves = {
        run: Curve(
            tuple(level[run.case] * share for share in (0.3, 0.8, last[run.seed])),
            (1e4, 2e4, 3e4),
        )
        for run in study.runs
    }
    assert study_report._plot(study, study.sections[0], curves, tmp_path).is_file()
    assert len(checked_figures) == 1


def test_every_policy_can_be_seen(study, tmp_path, checked_figures):
    section = study.sections[0]
    courses = {
        method: {seed: Course((5.0, 9.0, 20.0), (0.1, 0.2, 0.3), 0.5) for seed in range(3)}
        for method in section.methods
    }
    selection_report.plot_courses(section, {'easy': courses}, tmp_path / 'courses.png')
    games = {
        method: {seed: [1.0 + number] * 40 for seed in range(3)}
        for number, method in enumerate(section.methods)
    }
    selection_report.plot_games(section, {'easy': games}, tmp_path / 'games.png')
    assert len(checked_figures) == 2


def test_a_mesh_and_a_fleet_with_tokens_can_be_seen(tmp_path, checked_figures):
    ids = ['robot_0', 'robot_1']
    rounds = [
        {'kind': 'round', 'round': n, 'robot_accuracy': 0.4, 'disagreement': math.nan,
         'bytes_total': 9_000 * n, 'accuracies': dict.fromkeys(ids, 0.4)}
        for n in (1, 2)
    ]  # fmt: skip
    end = {'kind': 'end', 'robots': 2, 'joules_active': 5.0}
    runs = {name: [*rounds, end] for name in ('gossip', 'cmfd')}
    plot_mesh(nx.path_graph(ids), runs, tmp_path)
    visits = [
        {'kind': 'visit', 'token': n % 12, 'time': float(n), 'robot': ids[n % 2], 'batches': 5,
         'accuracy': 0.5, 'class_counts': [1, 2, 0]}
        for n in range(36)
    ]  # fmt: skip
    totals = [
        {'kind': 'totals', 'robot': i, 'joules': {'compute': 1.0, 'transmit': 2.0, 'receive': 3.0}}
        for i in ids
    ]
    names = ('T-shirt or top', 'Trouser', 'Pullover')
    plot_tram({'1 token': visits + totals, '2 tokens': visits + totals}, tmp_path, names)
    _draw({'dsfl': ([1, 2], [0.2, 0.9])}, 'round', 'linear', tmp_path / 'run.png')
    assert len(checked_figures) == 3


def test_what_cannot_be_seen_is_found(tmp_path):
    figure, (axes,) = panels(1, 4.0)
    axes.plot([1, 2], [0.1, 0.2], label='below')
    axes.set(ylim=(0.5, 1.0), xlabel='x', ylabel='y')
    with pytest.raises(AssertionError, match='below'):
        save(figure, tmp_path / 'a.png')
    figure, (axes,) = panels(1, 4.0)
    for number in range(8):
        axes.plot([1], [number], label='a very long label ' * 2)
    figure.legend(loc='outside lower center', ncols=8)
    axes.set(xlabel='x', ylabel='y')
    with pytest.raises(AssertionError, match='legend is cut'):
        save(figure, tmp_path / 'b.png')
    figure, (axes,) = panels(1, 4.0)
    axes.plot(np.arange(3), np.arange(3), label='nameless')
    with pytest.raises(AssertionError, match='axis without a name'):
        save(figure, tmp_path / 'c.png')
    figure, (axes,) = panels(1, 4.0)
    for label in ('one', 'other'):
        axes.plot(np.arange(3), np.arange(3), label=label, color='C0')
    axes.set(xlabel='x', ylabel='y')
    with pytest.raises(AssertionError, match='two curves look alike'):
        save(figure, tmp_path / 'd.png')
    plt.close('all')
