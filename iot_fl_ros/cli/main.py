"""`iot-fl`: federated learning and split inference for robots. Each verb is a file here."""

from __future__ import annotations

import argparse
import importlib
import sys

from iot_fl_ros.core.errors import IotFlError

# The first line of each verb's module: the modules themselves are slow to import.
VERBS = {
    'demo': 'The demo: ten robots with two kinds of clothes each learn all ten kinds, over DDS.',
    'demo-split': 'The demo of split inference: head and tail over DDS, at growing packet loss.',
    'demo-mesh': 'The demo of a mesh: ten robots learn from their neighbours, without a server.',
    'demo-tram': 'The demo of Tram-FL: a model travels through ten robots as a token.',
    'demo-sim': 'The demo of robots with cameras: four patrol a hall, each learns its own room.',
    'run': 'Run a fleet over DDS on this machine: an aggregator and robots in processes.',
    'simulate': 'Run a fleet in memory: the same state machines and maths, in virtual time.',
    'mesh': 'Run a mesh of peers without a server, over DDS on this machine or in memory.',
    'comtune': 'Train, cut and fine-tune a model for a lossy link (COMtune).',
    'bundle': 'Make a bundle of a pretrained model, without labels.',
    'record': 'Record a bag: a camera, the federation or any topics; or make one from pictures.',
    'evaluate': 'Evaluate a split model on the pictures of a bag, at growing packet loss.',
    'replay': 'Play a recorded federation back: audit its results, or change something.',
    'study': 'Compare methods over cases and seeds in memory; write tables and plots.',
    'plot': 'Draw accuracy against bytes and against rounds, for one or several runs.',
    'data': 'Show the data sets, or look into one.',
    'models': 'Show the models and their sizes, or where one of them can be cut.',
    'doctor': 'Check ROS 2, network, clock and, if named, a camera; say how to mend each.',
}


_NOTHING: tuple[object, ...] = ('', [], (), argparse.SUPPRESS)


class HelpWithDefaults(argparse.HelpFormatter):
    """Help that says the defaults, where there are any."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        said = action.help or ''
        nothing = action.default is None or action.default is False or action.default in _NOTHING
        if not action.option_strings or nothing:
            return said
        return said if 'default' in said else f'{said} (default: %(default)s)'


class Version(argparse.Action):
    """Prints the version of the package: looked up only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and end."""
        from importlib.metadata import version

        print(f'iot-fl {version("iot_fl_ros")}')
        parser.exit()


def main(argv: list[str] | None = None) -> int:
    """Run one verb; errors that the user can mend cost one line and exit code 2."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog='iot-fl', description=__doc__)
    parser.add_argument('--version', action=Version, nargs=0, help='print the version')
    subparsers = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for verb, summary in VERBS.items():
        sub = subparsers.add_parser(verb, help=summary, formatter_class=HelpWithDefaults)
        if argv[:1] == [verb]:
            module = importlib.import_module(f'iot_fl_ros.cli.{verb.replace("-", "_")}')
            sub.description = module.__doc__
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except IotFlError as error:
        print(f'iot-fl {arguments.verb}: {error}', file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a file where a folder is to be
        print(f'iot-fl {arguments.verb}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == '__main__':
    raise SystemExit(main())
