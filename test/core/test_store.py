import json
import os
import subprocess
import sys

import numpy as np
import pytest

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.store import FolderStore, read_of_run


def test_what_is_written_is_read(tmp_path):
    store = FolderStore(tmp_path)
    assert store.read() is None
    for n in range(3):
        store.write({'round': n}, {'w': np.full(5, n, np.float32)})
    manifest, tensors = store.read()
    assert manifest == {'round': 2}
    np.testing.assert_array_equal(tensors['w'], np.full(5, 2, np.float32))
    assert len(list(tmp_path.glob('state_*'))) == 1


def test_damage_is_noticed(tmp_path):
    store = FolderStore(tmp_path)
    store.write({}, {'w': np.zeros(5, np.float32)})
    (file,) = tmp_path.glob('state_*')
    file.write_bytes(file.read_bytes()[:-1] + b'x')
    with pytest.raises(DataError, match='damaged'):
        store.read()


@pytest.mark.parametrize('text', ['', '{"file":', '[]', '{"file": "x.bin"}', '{"file": 3}'])
def test_a_damaged_manifest_is_noticed(tmp_path, text):
    (tmp_path / 'checkpoint.json').write_text(text)
    with pytest.raises(DataError, match='damaged'):
        FolderStore(tmp_path).read()
    with pytest.raises(DataError, match='damaged'):
        FolderStore(tmp_path).write({}, {})


def test_a_manifest_without_a_digest_is_damaged(tmp_path):
    store = FolderStore(tmp_path)
    store.write({}, {})
    (tmp_path / 'checkpoint.json').write_text('{"file": "state_0.safetensors"}')
    with pytest.raises(DataError, match='damaged'):
        store.read()


WRITER = """
import sys, numpy as np
from pathlib import Path
from iot_fl_ros.core.store import FolderStore
store = FolderStore(Path(sys.argv[1]))
for n in range(10_000):
    store.write({'round': n}, {'w': np.full(100_000, n, np.float32)})
    print(n, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    for lines in (1, 2, 5, 9):
        writer = subprocess.Popen(
            [sys.executable, '-c', WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=tmp_path
        )
        for _ in range(lines):
            last = int(writer.stdout.readline())
        os.kill(writer.pid, 9)
        writer.communicate()
        manifest, tensors = FolderStore(tmp_path).read()
        assert manifest['round'] >= last
        assert set(tensors['w']) == {manifest['round']}
    assert json.loads((tmp_path / 'checkpoint.json').read_text())['file']


def test_a_checkpoint_of_another_run_is_refused_by_name(tmp_path):
    store = FolderStore(tmp_path)
    assert read_of_run(store, 'a-1') is None
    store.write({'run_id': 'a-1'}, {})
    assert read_of_run(store, 'a-1') == ({'run_id': 'a-1'}, {})
    with pytest.raises(ConfigError, match=f'in {tmp_path} is one of a-1, this run is a-2'):
        read_of_run(store, 'a-2')
    store.clear()
    assert store.read() is None
