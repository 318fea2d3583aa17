"""The arguments of `iot-fl record`."""

import argparse

import pytest

from iot_fl_ros.bag.storage import COMPRESSIONS
from iot_fl_ros.bag.writer import STORAGES
from iot_fl_ros.cli.main import main
from iot_fl_ros.cli.record import add_arguments


def test_the_choices_are_those_of_the_writer():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    choices = {action.dest: action.choices for action in parser._actions if action.choices}
    assert choices == {'storage': tuple(STORAGES), 'compression': COMPRESSIONS}


@pytest.mark.parametrize('wrong', [('--storage', 'zip'), ('--compression', 'rar')])
def test_a_wrong_kind_is_refused_before_anything_starts(wrong, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(['record', '--bag', str(tmp_path / 'bag'), *wrong])
    assert end.value.code == 2
    assert 'invalid choice' in capsys.readouterr().err
    assert not (tmp_path / 'bag').exists()
