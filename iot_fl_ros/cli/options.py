"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from iot_fl_ros.core.config import read_parameters, setting_names
from iot_fl_ros.core.errors import ConfigError, one_line
from iot_fl_ros.core.run_folder import check_folder
from iot_fl_ros.core.yaml_text import load_written
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.methods.registry import METHODS
from iot_fl_ros.ros.network_profile import DEFAULT, PROFILES
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.split.settings import BUNDLE_DIR


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what describes a run."""
    add = parser.add_argument
    add('--robots', type=int, default=10, help='number of robots')
    add('--params', type=Path, help='ROS parameter file keyed /**, or the name of one '
        'that comes with the package: demo, mesh, ...')  # fmt: skip
    add('--method', help='method registry name, for example dsfl')
    add('--output', type=Path, default=Path('runs/run'), help='folder of the run')
    add_set(parser, 'run.rounds=20')


def params_file(path: Path) -> Path:
    """Return a parameter file; a name without a folder may be that of one of the package."""
    if path.is_file() or path.parent != Path() or path.suffix:
        return path
    own = share_folder() / 'config' / f'{path}.yaml'
    return own if own.is_file() else path


def add_set(parser: argparse.ArgumentParser, example: str) -> None:
    """Add --set."""
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE',
        help=f'a setting, for example {example}; may be repeated',
    )  # fmt: skip


def add_robot_models(parser: argparse.ArgumentParser, text: str) -> None:
    """Add --robot-models."""
    parser.add_argument('--robot-models', nargs='+', default=(), metavar='MODEL', help=text)


def add_bundle_dir(parser: argparse.ArgumentParser) -> None:
    """Add --bundle-dir."""
    default = Path(BUNDLE_DIR)
    parser.add_argument('--bundle-dir', type=Path, default=default, help='folder of bundles')


def new_bundle(arguments: argparse.Namespace, name: str) -> Path:
    """Return the folder of a bundle to be made; ConfigError if there can be none."""
    bundles: Path = arguments.bundle_dir.expanduser()
    check_folder(bundles)
    return bundles / name


def add_network_profile(parser: argparse.ArgumentParser) -> None:
    """Add --network-profile."""
    parser.add_argument(
        '--network-profile', choices=PROFILES, default=DEFAULT, help='how DDS uses the network'
    )


def overrides_of(items: Sequence[str]) -> dict[str, Any]:
    """Return the dotted settings of `NAME=VALUE` items; values are YAML."""
    flat = {}
    for item in items:
        name, equals, value = item.partition('=')
        if not equals:
            raise ConfigError(f'--set {item!r}: write NAME=VALUE')
        try:
            flat[name] = load_written(value)
        except yaml.YAMLError as error:
            raise ConfigError(
                f'--set {item!r}: the value is no YAML ({one_line(error)})'
            ) from error
    return flat


def _for_method(flat: Mapping[str, Any], name: str, file: str) -> dict[str, Any]:
    """Return the settings with another method; those of the file's own method are left out."""
    before = flat.get('method.name', name)
    known = setting_names(METHODS.get(name).Settings)
    others = [
        key
        for key in flat
        if key.startswith('method.')
        and key != 'method.name'
        and (before != name or key.removeprefix('method.') not in known)
    ]
    if others:
        print(f'--method {name}: {", ".join(others)} of {file} are left out', file=sys.stderr)
    return {**{key: flat[key] for key in flat if key not in others}, 'method.name': name}


def own_settings_of(
    arguments: argparse.Namespace, ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the settings of single robots in --params; ConfigError for strange robots.

    Private samples of a robot's own are not shared out.
    """
    own = read_parameters(params_file(arguments.params)).own if arguments.params else {}
    strange = sorted(set(own) - set(ids))
    if strange:
        raise ConfigError(
            f'{arguments.params} has settings of {", ".join(strange)}: the robots are '
            f'{", ".join(ids)}'
        )
    return {robot_id: _not_shared_out(robot_id, one) for robot_id, one in own.items()}


def _not_shared_out(robot_id: str, own: dict[str, Any]) -> dict[str, Any]:
    if 'data.private' not in own:
        return own
    partition = own.get('data.partition', 'none')
    if partition != 'none':
        raise ConfigError(
            f'{robot_id} has data.private of its own and data.partition {partition!r}: what one '
            'robot has is not shared out, leave data.partition out'
        )
    return {**own, 'data.partition': 'none'}


def check_quorum(settings: FleetSettings, robots: int) -> None:
    """Raise ConfigError if rounds would wait for more robots than there will ever be."""
    quorum = settings.aggregator.run.quorum
    if quorum > robots:
        raise ConfigError(
            f'run.quorum is {quorum}, but --robots is {robots}: no round could close'
        )


def flat_settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the dotted settings that the arguments of `add_run_arguments` describe."""
    if arguments.robots < 1:
        raise ConfigError(f'--robots is {arguments.robots}: at least 1')
    flat = read_parameters(params_file(arguments.params)).common if arguments.params else {}
    if arguments.method:
        flat = _for_method(flat, arguments.method, str(arguments.params))
    flat |= overrides_of(arguments.set)
    flat.setdefault('run.name', arguments.output.name)
    flat['run.robots'] = arguments.robots
    flat['run.output'] = str(arguments.output.absolute())
    return flat
