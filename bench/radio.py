"""A bad radio link: two network namespaces joined by veth, in which the kernel drops packets.

Needs root, `ip` and `iptables`. Packets are dropped on arrival, before IP puts fragments together,
so a lost fragment is lost alone, as on air. Namespaces share /dev/shm: the DDS profile in use must
not have shared memory, or the processes would not use the link.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType

FLEET = {'aggregator': ('aggregator',), 'learner': ('learner',)}
SPLIT = {'edge': ('tail',), 'robot': ('head', 'split_evaluator')}
_ADDRESSES = ('10.78.0.1', '10.78.0.2')


def why_not() -> str:
    """Return why this machine cannot have such a link, empty if it can."""
    if os.geteuid() != 0:
        return 'network namespaces need root'
    missing = [tool for tool in ('ip', 'iptables') if not shutil.which(tool)]
    if missing:
        return f'{", ".join(missing)} not installed'
    try:
        with Radio(0.01):
            return ''
    except subprocess.CalledProcessError as error:
        return f'the kernel does not let us: {error.stderr.strip()}'


class Radio:
    """A link between two ends, each with the processes of some nodes.

    loss: share of packets dropped on arrival. ends: nodes by the name of their end; receivers:
    ends at which packets are dropped (both).
    """

    def __init__(
        self,
        loss: float,
        ends: Mapping[str, Sequence[str]] = FLEET,
        receivers: Sequence[str] = (),
    ) -> None:
        self._loss = loss
        self._ends = ends
        self._receivers = receivers or tuple(ends)
        # Names of interfaces have at most 15 characters.
        number = os.getpid() % 100_000
        self._spaces = {end: f'iotfl{end[0]}{number}' for end in ends}
        self._links = {end: f'iotfl{end[0]}{number}v' for end in ends}

    def __enter__(self) -> Radio:
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    @property
    def prefix(self) -> dict[str, list[str]]:
        """Command lines that put the processes of a node at their end of the link."""
        return {
            node: ['ip', 'netns', 'exec', self._spaces[end]]
            for end, nodes in self._ends.items()
            for node in nodes
        }

    def sent_bytes(self) -> int:
        """Return the bytes that both ends have put on the link, dropped ones included."""
        return sum(self._statistic(end, 'tx_bytes') for end in self._ends)

    def dropped_packets(self) -> int:
        """Return the packets that were dropped on arrival."""
        total = 0
        for space in self._spaces.values():
            listing = _run(f'ip netns exec {space} iptables -t raw -vnxL PREROUTING')
            drops = [line.split() for line in listing.splitlines() if ' DROP ' in line]
            total += sum(int(words[0]) for words in drops)
        return total

    def cut(self) -> None:
        """Let nothing pass any more."""
        for end, space in self._spaces.items():
            _run(f'ip netns exec {space} iptables -I INPUT -i {self._links[end]} -j DROP')

    def heal(self) -> None:
        """Undo `cut`."""
        for end, space in self._spaces.items():
            _run(f'ip netns exec {space} iptables -D INPUT -i {self._links[end]} -j DROP')

    def _build(self) -> None:
        for space in self._spaces.values():
            _run(f'ip netns add {space}')
        a, b = self._ends
        _run(
            f'ip link add {self._links[a]} netns {self._spaces[a]} type veth '
            f'peer name {self._links[b]} netns {self._spaces[b]}'
        )
        for end, address in zip(self._ends, _ADDRESSES, strict=True):
            space, link = self._spaces[end], self._links[end]
            _run(f'ip -n {space} addr add {address}/24 dev {link}')
            _run(f'ip -n {space} link set {link} up')
            _run(f'ip -n {space} link set lo up')
            _run(f'ip -n {space} route add 224.0.0.0/4 dev {link}')
            if self._loss and end in self._receivers:
                _run(
                    f'ip netns exec {space} iptables -t raw -A PREROUTING -i {link} '
                    f'-m statistic --mode random --probability {self._loss} -j DROP'
                )

    def _remove(self) -> None:
        for space in self._spaces.values():
            subprocess.run(['ip', 'netns', 'del', space], capture_output=True, check=False)

    def _statistic(self, end: str, name: str) -> int:
        path = f'/sys/class/net/{self._links[end]}/statistics/{name}'
        return int(_run(f'ip netns exec {self._spaces[end]} cat {path}'))


def _run(command: str) -> str:
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout
