"""Settings of the selection of participants."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.config import setting

POLICY_NAMES = ('all', 'random', 'fedcs', 'naive_ucb', 'elementwise_ucb', 'bsfl')


@dataclass(frozen=True)
class SelectSettings:
    """Settings of the selection of participants."""

    policy: str = setting(
        'all',
        'Whom to ask: all; at random; fedcs = the quickest by their means; naive_ucb, '
        'elementwise_ucb = the same with optimism; bsfl = rates with fairness.',
        choices=POLICY_NAMES,
    )
    count: int = setting(
        0, 'Robots to ask a round, at least run.quorum; 0 = as many as there are.', minimum=0
    )
    timing: str = setting(
        'parallel',
        'How uploads share the radio: serial = one after the other, parallel = side by side.',
        choices=('serial', 'parallel'),
    )
    round_time: float = setting(
        0.0,
        'Ask as many as fit into that time, s, by what is known of them; 0 = no limit. For fedcs, '
        'naive_ucb, elementwise_ucb.',
        minimum=0.0,
    )
    exploration: float = setting(
        0.25, 'Weight c of the optimism about robots that were seldom asked.', minimum=0.0
    )
    normaliser: str = setting(
        'relative',
        'Unit of the optimism: relative = coefficient of variation of the times of one robot '
        '(naive_ucb, elementwise_ucb: times its mean); percentile = 95th percentile of the means '
        'of all (bsfl: 1).',
        choices=('relative', 'percentile'),
    )
    estimate: str = setting(
        'harmonic',
        'What naive_ucb and elementwise_ucb expect of a robot: harmonic or plain mean of its '
        'times; one slow round weighs less in the harmonic one.',
        choices=('harmonic', 'mean'),
    )
    fairness: float = setting(1.0, 'Weight of fairness, for bsfl.', minimum=0.0)
    discount: float = setting(
        1.0, 'Factor by which what was seen loses weight each round; 1 = never.',
        minimum=1e-3, maximum=1.0,
    )  # fmt: skip
    window: int = setting(
        0, 'Rounds after which what was seen is forgotten; 0 = never.', minimum=0
    )
    min_battery: float = setting(
        0.0, 'Ask no robot whose battery is known to hold less, 0..1.', minimum=0.0, maximum=1.0
    )
    tags: list = setting([], 'Ask only robots that have all these tags.')
    avoid_tags: list = setting([], 'Ask no robot that has one of these tags.')


ASK_ALL = SelectSettings()
