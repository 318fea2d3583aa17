"""Processes join DDS one after the other, and none waits forever."""

import os
import threading
import time

import numpy as np

from iot_fl_ros.nodes.startup_lock import one_at_a_time


def test_two_never_hold_it_at_the_same_time(tmp_path):
    inside, most, lock = [], [], threading.Lock()

    def work():
        for _ in range(20):
            with one_at_a_time(tmp_path):
                with lock:
                    inside.append(1)
                    most.append(len(inside))
                time.sleep(0.001)
                with lock:
                    inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 60


def test_it_goes_on_after_a_while(tmp_path):
    with one_at_a_time(tmp_path):
        start = time.monotonic()
        with one_at_a_time(tmp_path, patience=0.2):
            assert 0.2 <= time.monotonic() - start < 5.0


def test_patience_is_with_one_holder_not_with_all_that_go_first(tmp_path):
    """Of eight robots that began on two busy cores, three lost patience at once, and were deaf."""
    entered, lock = [], threading.Lock()

    def work():
        with one_at_a_time(tmp_path, patience=1.8):
            with lock:
                entered.append(1)
                assert len(entered) == 1, 'one came in before the other was out'
            time.sleep(0.4)
            with lock:
                entered.pop()
            done.append(1)

    done = []
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 6


def test_behind_one_that_hangs_they_go_on_one_after_the_other(tmp_path):
    entered, hangs = [], threading.Event()

    def hang():
        with one_at_a_time(tmp_path):
            hangs.wait()

    def work():
        with one_at_a_time(tmp_path, patience=0.3):
            entered.append(time.monotonic())
            hangs.wait()

    first = threading.Thread(target=hang)
    first.start()
    while not list(tmp_path.glob('*.lock')):
        time.sleep(0.01)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(entered) < 4:
        time.sleep(0.01)
    hangs.set()
    for thread in (first, *threads):
        thread.join()
    assert min(np.diff(sorted(entered))) > 0.1


def test_a_full_disk_keeps_nobody_from_starting(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError('no space left on device')

    monkeypatch.setattr(os, 'pwrite', full)
    with one_at_a_time(tmp_path), one_at_a_time(tmp_path, patience=0.1):
        pass


def test_without_a_place_for_the_lock_it_goes_on(tmp_path):
    (tmp_path / 'iot_fl_ros.lock').symlink_to('/dev/null')
    entered = []
    with one_at_a_time(tmp_path):
        entered.append('a link is not followed')
    with one_at_a_time(tmp_path / 'nowhere'):
        entered.append('no folder')
    assert len(entered) == 2
