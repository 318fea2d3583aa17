"""Kinds of studies, in one table: a new kind is a module that reads it, its report, and a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from iot_fl_ros.core.config import refuse_unknown
from iot_fl_ros.core.errors import ConfigError, one_line
from iot_fl_ros.core.yaml_text import load_yaml
from iot_fl_ros.reports.loss_report import write_loss_report
from iot_fl_ros.reports.selection_report import write_selection_report
from iot_fl_ros.reports.study_report import write_report
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.studies.loss import read_loss_study
from iot_fl_ros.studies.runner import AnyStudy
from iot_fl_ros.studies.selection import read_selection_study
from iot_fl_ros.studies.study import mapping, read_study

METHODS = 'methods'


class Kind(NamedTuple):
    """read: (name, content of the file) -> study; ConfigError names what is wrong.

    report: (study, folder of its runs, folder of the report) -> path of the report, made from what
    is done so far.
    """

    read: Callable[[str, Mapping[str, Any]], AnyStudy]
    report: Callable[[Any, Path, Path], Path]


KINDS = {
    METHODS: Kind(read_study, write_report),
    'selection': Kind(read_selection_study, write_selection_report),
    'loss': Kind(read_loss_study, write_loss_report),
}


def kind_of(tree: Mapping[str, Any]) -> Kind:
    """Return the kind that a study's file names; ConfigError for an unknown one."""
    name = tree.get('kind', METHODS)
    refuse_unknown([name], KINDS, 'kind of study')
    return KINDS[name]


def read_file(name: str) -> tuple[str, Mapping[str, Any]]:
    """Return name and content of a study's file: a path, or a name in config/studies."""
    path = Path(name)
    if not path.is_file():
        folder = share_folder() / 'config' / 'studies'
        if path.suffix or len(path.parts) > 1:
            raise ConfigError(f'{path} does not exist')
        refuse_unknown([name], [one.stem for one in folder.glob('*.yaml')], 'study')
        path = folder / f'{name}.yaml'
    try:
        tree = load_yaml(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f'cannot read study {path}: {one_line(error)}') from error
    if tree is None:
        raise ConfigError(f'{path} is empty')
    return path.stem, mapping(str(path), tree)
