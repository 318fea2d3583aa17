"""Federations of the in-memory fleet, recorded into bags as a recorder would."""

from iot_fl_ros.bag.writer import BagWriter
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.ros.convert import ROS_TYPES, encode
from iot_fl_ros.ros.topics import publisher_qos

NANO = 1_000_000_000


def record(folder, settings, robots=3, tamper=lambda message: message, **options):
    """Run a simulation and write all it publishes; return it. tamper: changes what is written."""
    simulation = Simulation(FleetSettings.from_flat(settings), robots=robots, **options)
    network = simulation.network
    publish = network.publish

    with BagWriter(folder) as writer:

        def tapped(message, to=''):
            recorded = tamper(message)
            if recorded is not None:
                kind = type(message)
                topic = f'/fleet/{kind.TOPIC}'
                writer.add_topic(
                    topic, f'iot_fl_ros/msg/{ROS_TYPES[kind].__name__}', [publisher_qos(kind)]
                )
                writer.write(topic, round((1 + simulation.clock.now) * NANO), encode(recorded))
            return publish(message, to)

        network.publish = tapped
        simulation.start_all()
        simulation.run()
    return simulation
