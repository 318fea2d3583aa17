"""Robots without a server name their run alike, if and only if they agree."""

import dataclasses
import subprocess
import sys

import pytest

from iot_fl_ros.core.names import agreed_run_id


@dataclasses.dataclass(frozen=True)
class Settings:
    """Some settings."""

    rate: float = 0.1
    names: tuple[str, ...] = ('a', 'b')


FACTS = {'seed': 3, 'method': Settings(), 'classes': ['x', 'y']}


def test_the_id_is_the_name_and_eight_digits():
    name, _, digits = agreed_run_id('night-run', FACTS).rpartition('-')
    assert name == 'night-run'
    assert len(digits) == 8
    assert set(digits) <= set('0123456789abcdef')


def test_neither_the_order_nor_the_kind_of_sequence_matters():
    turned = {name: FACTS[name] for name in reversed(FACTS)}
    assert agreed_run_id('r', turned) == agreed_run_id('r', FACTS)
    assert agreed_run_id('r', {**FACTS, 'classes': ('x', 'y')}) == agreed_run_id('r', FACTS)


@pytest.mark.parametrize(
    'change',
    [
        {'seed': 4},
        {'method': Settings(rate=0.2)},
        {'method': Settings(names=('b', 'a'))},
        {'classes': ['y', 'x']},
        {'more': None},
    ],
    ids=str,
)
def test_any_other_fact_is_another_run(change):
    assert agreed_run_id('r', {**FACTS, **change}) != agreed_run_id('r', FACTS)


def test_another_process_computes_the_same():
    code = (
        'from iot_fl_ros.core.names import agreed_run_id\n'
        'print(agreed_run_id("r", {"b": [1, 2.5], "a": "x"}))'
    )
    command = [sys.executable, '-c', code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert said == agreed_run_id('r', {'a': 'x', 'b': (1, 2.5)})
