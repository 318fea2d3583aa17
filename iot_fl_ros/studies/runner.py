"""Tasks of a study: several are done at a time, each is kept as soon as it is over.

A task that fails does not take the others with it.
"""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from iot_fl_ros.core.errors import ConfigError, IotFlError

BACKENDS = ('loky', 'ray')
# Called with the name of a step and its `split.training.Epoch`.
Progress = Callable[[str, Any], None]


class Task(Protocol):
    """Something that a study has to do once. output: the study's folder."""

    @property
    def section(self) -> str:
        """The part of the study that it belongs to."""

    @property
    def path(self) -> Path:
        """The place of its results below `output`."""

    def done(self, output: Path) -> bool:
        """Return whether its results are there, for these very settings."""

    def error(self, output: Path) -> str:
        """Return why it failed, with these very settings; empty if it did not."""

    def do(self, output: Path, progress: Progress | None) -> Any:
        """Do it, in any process of any machine; return the results. IotFlError if it fails."""

    def keep(self, output: Path, result: Any, error: str) -> None:
        """Write the results, or the error of a task that has none."""


class AnyStudy(ABC):
    """A study of whatever kind: the name of its file and report, title and text of the latter."""

    name: str
    title: str
    text: str

    @property
    @abstractmethod
    def tasks(self) -> Sequence[Task]:
        """All tasks, in the order in which they are done."""

    def errors(self, output: Path) -> dict[Path, str]:
        """Return why tasks failed, by the path of each that did."""
        found = {task.path: task.error(output) for task in self.tasks}
        return {path: error for path, error in found.items() if error}


Ended = tuple[Task, Any, str]


def digest_of(value: str) -> str:
    """Return the digest of all that results depend on, written as text."""
    return hashlib.sha256(value.encode()).hexdigest()


def read_kept(path: Path, digest: str) -> dict[str, Any]:
    """Return the content of a JSON file; empty if it is missing or has another `digest`."""
    document: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return document if document.get('digest') == digest else {}


def run_tasks(
    tasks: Sequence[Task],
    output: Path,
    jobs: int,
    backend: str = 'loky',
    progress: Progress | None = None,
) -> Iterator[tuple[Task, str]]:
    """Do the tasks, `jobs` at a time; yield each when its results are kept, and its error if any.

    backend: `loky`, processes of this machine, or `ray`. progress: told of epochs if jobs is 1.
    """
    if backend == 'ray':
        ended = _with_ray(tasks, output, jobs)
    elif jobs == 1:
        ended = (_do(task, output, progress) for task in tasks)
    else:
        from joblib import Parallel, delayed

        # In order: joblib 1.3, which Ubuntu 24.04 has, knows no other way.
        calls = (delayed(_do)(task, output) for task in tasks)
        ended = Parallel(n_jobs=jobs, return_as='generator')(calls)
    for task, result, error in ended:
        task.keep(output, result, error)
        yield task, error


def _do(task: Task, output: Path, progress: Progress | None = None) -> Ended:
    try:
        return task, task.do(output, progress), ''
    except IotFlError as error:
        return task, None, str(error)


def _with_ray(tasks: Sequence[Task], output: Path, jobs: int) -> Iterator[Ended]:
    """Let Ray do the tasks: on the cluster that RAY_ADDRESS names, else `jobs` at a time here."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError('--backend ray needs Ray: pip install "ray>=2.9,<3"') from error
    cluster = os.environ.get('RAY_ADDRESS')
    # Not joblib's Ray backend: it gives nothing back before all tasks are done.
    ray.init(**({'address': cluster} if cluster else {'num_cpus': jobs}))
    try:
        remote = ray.remote(num_cpus=1)(_do)
        pending = [remote.remote(task, output) for task in tasks]
        while pending:
            done, pending = ray.wait(pending)
            yield from ray.get(done)
    finally:
        ray.shutdown()
