"""Fixtures of the tests of split inference."""

import pytest
from tiny_split import tiny_bundle


@pytest.fixture(scope='session')
def bundles(tmp_path_factory):
    """A folder with two bundles, `one` and `two`."""
    folder = tmp_path_factory.mktemp('bundles')
    for seed, name in enumerate(('one', 'two')):
        tiny_bundle(folder / name, seed=seed)
    return folder
