"""Settings of an emulated link."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.config import setting


@dataclass(frozen=True)
class LinkSettings:
    """Settings of a link between sender and receiver."""

    loss: float = setting(0.0, 'Share of packets lost.', minimum=0.0, maximum=1.0)
    burst: float = setting(
        0.0,
        'Mean length of a burst of losses, packets (Gilbert-Elliott); 0 = losses are independent.',
        minimum=0.0,
    )
    loss_when_bad: float = setting(
        1.0, 'Share of packets lost during a burst, with burst > 0.', minimum=0.01, maximum=1.0
    )
    trace: str = setting(
        '', 'Text file of 1 (arrived) and 0 (lost), replayed instead of loss and burst.'
    )
    delay: float = setting(0.0, 'Time that every packet takes, s.', minimum=0.0, maximum=60.0)
    jitter: float = setting(
        0.0,
        'Mean of a further random time (exponential), s; packets may overtake.',
        minimum=0.0,
        maximum=60.0,
    )
    rate: float = setting(0.0, 'Bytes a second that the link carries; 0 = unlimited.', minimum=0.0)
    seed: int = setting(0, 'Seed of losses and jitter.', minimum=0)

    @property
    def ideal(self) -> bool:
        """True if this link does nothing to packets."""
        return not (self.loss or self.trace or self.delay or self.jitter or self.rate)
