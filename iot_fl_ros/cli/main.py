"""`iot-fl`: federated learning and split inference for robots. Each verb is a file here."""

from __future__ import annotations

import argparse
import importlib
import sys

from iot_fl_ros.core.errors import IotFlError

VERBS = (
    'demo', 'demo-split', 'demo-mesh', 'demo-tram', 'demo-sim', 'run', 'simulate', 'mesh',
    'comtune', 'bundle', 'record', 'evaluate', 'replay', 'study', 'plot', 'data', 'models',
    'doctor',
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run one verb; errors that the user can mend cost one line and exit code 2."""
    parser = argparse.ArgumentParser(prog='iot-fl', description=__doc__)
    subparsers = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for verb in VERBS:
        module = importlib.import_module(f'iot_fl_ros.cli.{verb.replace("-", "_")}')
        summary = (module.__doc__ or verb).splitlines()[0]
        sub = subparsers.add_parser(verb, help=summary, description=module.__doc__)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except IotFlError as error:
        print(f'iot-fl {arguments.verb}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == '__main__':
    raise SystemExit(main())
