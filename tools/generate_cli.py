"""The reference of `iot-fl` in docs/command_line.md, from the parsers of its verbs."""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Iterator

from iot_fl_ros.cli.main import VERBS


def verbs() -> str:
    """Return a section for each verb: what it says of itself, and its arguments."""
    lines: list[str] = []
    for verb in VERBS:
        module = importlib.import_module(f'iot_fl_ros.cli.{verb.replace("-", "_")}')
        parser = argparse.ArgumentParser(add_help=False)
        module.add_arguments(parser)
        lines += [f'### `iot-fl {verb}`\n', f'{inspect.cleandoc(module.__doc__ or "")}\n']
        rows = list(_rows(parser))
        if rows:
            lines += ['| argument | meaning |', '| --- | --- |', *rows, '']
    return '\n'.join(lines)


def _rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        value = action.metavar or (action.dest.upper() if action.nargs != 0 else '')
        if action.choices:
            value = ', '.join(str(choice) for choice in action.choices)
        if isinstance(value, tuple):
            value = ' '.join(value)
        name = ' '.join([*action.option_strings[:1], value]).strip()
        text = (action.help or '').replace('|', '\\|').replace('%%', '%')
        yield f'| `{name}` | {text[:1].upper()}{text[1:]} |'
