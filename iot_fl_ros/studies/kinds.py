"""Kinds of studies, in one table: a new kind is a module that reads it, its report, and a line.

The modules are imported when a study of their kind is read or reported.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from iot_fl_ros.core.config import refuse_unknown
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.studies.runner import AnyStudy


@dataclass(frozen=True)
class Kind:
    """Functions by their paths `module:name`.

    reader: (name, content of the file) -> study; ConfigError names what is wrong. writer: (study,
    folder of its runs, folder of the report) -> path of the report, made from what is done so far.
    """

    reader: str
    writer: str

    def read(self, name: str, tree: Mapping[str, Any]) -> AnyStudy:
        """Return the study that a file describes."""
        study: AnyStudy = pkgutil.resolve_name(f'iot_fl_ros.{self.reader}')(name, tree)
        return study

    def report(self, study: AnyStudy, output: Path, report: Path) -> Path:
        """Write tables and plots into `report`, which is made; return the path of the text."""
        report.mkdir(parents=True, exist_ok=True)
        path: Path = pkgutil.resolve_name(f'iot_fl_ros.{self.writer}')(study, output, report)
        return path


METHODS = 'methods'
KINDS = {
    METHODS: Kind('studies.study:read_study', 'reports.study_report:write_report'),
    'selection': Kind(
        'studies.selection:read_selection_study',
        'reports.selection_report:write_selection_report',
    ),
    'loss': Kind('studies.loss:read_loss_study', 'reports.loss_report:write_loss_report'),
}


def kind_of(tree: Mapping[str, Any]) -> Kind:
    """Return the kind that a study's file names; ConfigError for an unknown one."""
    name = tree.get('kind', METHODS)
    refuse_unknown([name], KINDS)
    return KINDS[name]


def read_file(name: str) -> tuple[str, Mapping[str, Any]]:
    """Return name and content of a study's file: a path, or a name in config/studies."""
    path = Path(name)
    if not path.is_file():
        path = share_folder() / 'config' / 'studies' / f'{name}.yaml'
    try:
        tree = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f'cannot read study {path}: {error}') from error
    if not isinstance(tree, Mapping):
        raise ConfigError(f'{path} holds a {type(tree).__name__}: a mapping is needed')
    return path.stem, tree
