"""A mesh of real peer nodes in one process, in a context and domain of its own."""

from __future__ import annotations

import rclpy
from domains import next_domain
from node_fleets import InProcessFleet, parameters
from rclpy.executors import SingleThreadedExecutor

from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.nodes.application import Threads
from iot_fl_ros.nodes.peer import PeerNode


class InProcessMesh:
    """Peers on one executor; `spin_until` drives them."""

    spin_until = InProcessFleet.spin_until
    add = InProcessFleet.add
    node = InProcessFleet.node

    def __init__(self, settings, count, output):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=next_domain())
        self.executor = SingleThreadedExecutor(context=self.context)
        self.threads = Threads()
        self.ids = robot_ids(count)
        self.settings = {**settings, 'mesh.count': count, 'run.output': str(output)}
        self.peers, self.over, self._others = {}, set(), []

    def start(self, robot_id, **changes):
        """Start a peer, again or for the first time."""
        own = {
            **self.settings,
            'data.partition_index': self.ids.index(robot_id),
            'data.partition_count': len(self.ids),
            **{name.replace('__', '.'): value for name, value in changes.items()},
        }
        peer = PeerNode(
            self.threads,
            context=self.context,
            namespace=robot_id,
            parameter_overrides=parameters(own),
        )
        self.peers[robot_id] = peer
        self.executor.add_node(peer)
        peer.start()
        return peer

    def crash(self, robot_id):
        """Stop a peer without a word."""
        peer = self.peers.pop(robot_id)
        peer._driver.stop()
        self.executor.remove_node(peer)
        peer.destroy_node()

    def start_all(self):
        for robot_id in self.ids:
            self.start(robot_id)

    def run(self, timeout=120.0):
        """Spin until all peers are done."""
        self.spin_until(lambda: all(p.machine._ended for p in self.peers.values()), timeout)

    def rounds(self, robot_id):
        """Return the `round` rows that a peer has written."""
        folder = self.peers[robot_id].folder
        return [row for row in read_events(folder) if row['kind'] == 'round']

    def close(self):
        for peer in self.peers.values():
            peer.leave()
        self.threads.stop(10.0)
        for node in [*self.peers.values(), *self._others]:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)
