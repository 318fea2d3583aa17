"""Errors of the package. Each names the thing, its value and the remedy."""

from __future__ import annotations


class IotFlError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(IotFlError):
    """A setting is unknown, has the wrong type or is out of range."""


class DataError(IotFlError):
    """A data set is missing, damaged or does not fit the run."""


class PluginError(IotFlError):
    """A method or model of somebody else's does not do what it declares."""


class SimulatorError(IotFlError):
    """A simulator, or the graphics library that it draws with, is missing or does not work."""


class MessageError(IotFlError):
    """A received message breaks its contract; `reason` is a short stable name for counters."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f'{reason}: {detail}')
        self.reason = reason


def one_line(error: BaseException) -> str:
    """Return what an error of somebody else's library says, without line breaks."""
    return ' '.join(str(error).split())
