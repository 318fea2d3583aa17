"""Pictures shown to all robots of a split fleet in memory, so many a second."""

from iot_fl_ros.core.messages.fields import SourceHeader


def show(simulation, pictures, rate):
    """Show every picture to every robot, `rate` a second; return the answers to them."""
    before, start = len(simulation.answers), simulation.now
    for number, picture in enumerate(pictures):
        at = start + number / rate
        simulation.picture(at, SourceHeader(round(at * 1e9), 'camera'), picture)
    simulation.finish()
    return simulation.answers[before:]
