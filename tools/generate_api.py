"""The public Python surface, and docs/api.md, which is made of its docstrings.

`PUBLIC` is the declaration: what is named here is documented and does not change without a note in
CHANGELOG.rst; every other name of the package is internal. griffe reads the sources; nothing of
the package is imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

PACKAGE = 'iot_fl_ros'
# Modules in the order of the page; titles group them.
PUBLIC: dict[str, dict[str, tuple[str, ...]]] = {
    'Methods': {
        'methods.method': (
            'Method', 'StarMethod', 'MeshMethod', 'Participant', 'GlobalSet', 'check_finite',
        ),
        'methods.registry': ('METHODS', 'methods_of', 'method_settings', 'method_of'),
        'methods.fedavg': ('FedAvg', 'FedAvgSettings'),
        'exchange.open_round': ('Update',),
        'training.trainer': ('Trainer', 'Schedule'),
    },
    'Values that a method needs': {
        'core.config': ('setting', 'read_settings', 'read_yaml', 'flatten'),
        'core.errors': ('IotFlError', 'ConfigError', 'DataError', 'MessageError'),
        'core.seeds': ('derive_seed', 'generator'),
        'core.tensors': ('Tensors', 'TensorSpec'),
        'core.messages.federation': ('RunInfo',),
    },
    'Data and models': {
        'data.samples': ('Samples',),
        'data.registry': ('DATA_SETS', 'load_samples'),
        'models.registry': ('MODELS', 'build_model', 'build_classifier', 'parameter_count'),
        'models.graph': ('Layer', 'LayerGraph', 'as_graph'),
        'core.registry': ('Registry',),
    },
    'Split models': {
        'split.cut': ('Cut', 'cut', 'split_points'),
        'split.bundle': ('Architecture', 'Bundle', 'save_bundle', 'load_bundle'),
    },
    'Fleets in memory': {
        'federation.settings': ('FleetSettings',),
        'mesh.settings': ('MeshRunSettings',),
        'token.settings': ('TramNodeSettings',),
        'memory.fleet': ('MemoryFleet',),
        'memory.federation': ('Simulation',),
        'memory.mesh': ('MeshSimulation',),
        'memory.token': ('TramSimulation',),
        'memory.split': ('SplitSimulation',),
    },
    'Files': {
        'core.run_files': ('read_events', 'read_summary', 'summarize'),
        'core.store': ('Store', 'FolderStore', 'MemoryStore'),
        'bag.reader': ('Bag', 'open_bag'),
        'bag.contents': ('BagTopic', 'RawMessage'),
    },
}  # fmt: skip
_HEAD = """\
# Python API

<!-- Written by tools/generate_api.py from the docstrings of the package. Do not edit. -->

What users of the package program against. Names that are not on this page are internal and may
change in any release. How to use them: [extending.md](extending.md) and
[tutorial_method.md](tutorial_method.md).
"""
_WIDTH = 99
# griffe's Object, or an Alias of one; is_function and the like tell which, but not to mypy.
Named = Any


def api_page(root: Path) -> str:
    """Return docs/api.md for the package in the folder `root`."""
    loader = griffe.GriffeLoader(search_paths=[root])
    package = loader.load(PACKAGE)
    lines = [_HEAD]
    for title, modules in PUBLIC.items():
        lines.append(f'## {title}\n')
        for name, members in modules.items():
            module = package[name]
            lines += [f'### `{PACKAGE}.{name}`\n', *_text(module)]
            for member in members:
                lines += _member(module[member])
    return '\n'.join(lines).rstrip() + '\n'


def _member(one: Named) -> Iterator[str]:
    yield f'#### `{one.name}`\n'
    if one.is_attribute:
        value = str(one.value)
        call, bracket, _ = value.partition('(')
        yield from _code([f'{one.name}: {call}' if bracket else f'{one.name} = {value}'])
    elif one.is_function:
        yield from _code(_signature(one))
    else:
        yield from _code(_class(one))
    yield from _text(one)
    for child in one.members.values() if one.is_class else ():
        if _shown(child):
            yield from _child(child)


def _shown(child: Named) -> bool:
    """A class's public methods and properties that say what they do; fields are in its head."""
    documented = child.is_function or 'property' in child.labels
    return documented and not child.name.startswith('_') and bool(child.docstring)


def _child(child: Named) -> Iterator[str]:
    if child.is_attribute:
        yield from _code([f'{child.name}: {child.annotation}'])
    else:
        yield from _code(_signature(child))
    yield from _text(child)


def _class(one: Named) -> list[str]:
    """Return how an object of the class is made, and the fields that it declares."""
    bases = [str(base) for base in one.bases]
    lines = [f'class {one.name}({", ".join(bases)}):' if bases else f'class {one.name}:']
    constructor = one.members.get('__init__')
    made_in = range(0)
    # Of a dataclass the fields say it all.
    if constructor and constructor.is_function and 'dataclass' not in one.labels:
        lines += [f'    {line}' for line in _signature(constructor)]
        made_in = range(constructor.lineno, constructor.endlineno)
    for child in one.members.values():
        field = child.is_attribute and 'property' not in child.labels and child.annotation
        if field and not child.name.startswith('_') and child.lineno not in made_in:
            lines.append(f'    {child.name}: {child.annotation}{_value(child)}')
    return lines if len(lines) > 1 else [lines[0].rstrip(':')]


def _value(field: Named) -> str:
    value = str(field.value) if field.value is not None else ''
    if value.startswith('setting('):
        value = value.removeprefix('setting(').split(',')[0]
    return f' = {value}' if value else ''


def _signature(function: Named) -> list[str]:
    """Return the head of a function, on one line or with one parameter a line."""
    parameters = list(_parameters(function))
    returns = f' -> {function.returns}' if function.returns else ''
    line = f'def {function.name}({", ".join(parameters)}){returns}'
    if len(line) <= _WIDTH - 4:
        return [line]
    return [f'def {function.name}(', *(f'    {one},' for one in parameters), f'){returns}']


def _parameters(function: Named) -> Iterator[str]:
    kinds = griffe.ParameterKind
    starred = False
    for one in function.parameters:
        prefix = {kinds.var_positional: '*', kinds.var_keyword: '**'}.get(one.kind, '')
        if one.kind is kinds.keyword_only and not starred:
            yield '*'
        starred |= one.kind in (kinds.keyword_only, kinds.var_positional)
        annotation = f': {one.annotation}' if one.annotation else ''
        default = '' if one.default is None or prefix else f' = {one.default}'
        yield f'{prefix}{one.name}{annotation}{default}'


def _code(lines: list[str]) -> list[str]:
    return ['```python', *lines, '```\n']


def _text(one: Named) -> list[str]:
    """Return the docstring; indented formulas stay as they are."""
    return [inspect.cleandoc(one.docstring.value) + '\n'] if one.docstring else []
