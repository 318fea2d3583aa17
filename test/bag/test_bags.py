"""Bags are written and read, also damaged ones and those of others."""

from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from iot_fl_ros.bag.definitions import definition_of, typestore
from iot_fl_ros.bag.pictures import Shooting, image_topic, make_bag, pictures
from iot_fl_ros.bag.reader import check_own_types, open_bag
from iot_fl_ros.bag.salvage import survey
from iot_fl_ros.bag.storage import McapFile, SqliteFile
from iot_fl_ros.bag.writer import BagSettings, BagWriter
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.data.image_stream import open_stream
from iot_fl_ros.ros.images import to_rgb

IMAGE = 'sensor_msgs/msg/Image'
KINDS = [
    {'storage': 'mcap'}, {'storage': 'mcap', 'compression': 'zstd'},
    {'storage': 'mcap', 'compression': 'lz4'}, {'storage': 'sqlite3'},
]  # fmt: skip


def only_file(folder):
    (file,) = [p for p in folder.iterdir() if p.name != 'metadata.yaml']
    return file


def content(folder):
    """Names without the bag's own, and bytes."""
    return {p.name.replace(folder.name, ''): p.read_bytes() for p in sorted(folder.iterdir())}


@pytest.mark.parametrize('kind', KINDS)
def test_pictures_come_back_as_they_were(shoot, picture_folder, kind):
    with open_bag(shoot(**kind)) as bag:
        assert bag.notes == []
        topic = image_topic(bag)
        assert (topic, bag.topics[topic].count) == ('/camera/image', 12)
        found = list(pictures(bag, topic))
    for number, (one, shot) in enumerate(
        zip(found, open_stream(str(picture_folder)), strict=True)
    ):
        np.testing.assert_array_equal(to_rgb(one.message), shot.rgb)
        assert one.header.stamp == one.stamp == 10**9 + number * 10**8


@pytest.mark.parametrize('kind', KINDS)
def test_the_same_source_gives_the_same_bytes(shoot, tmp_path, kind):
    first = shoot('bag', **kind)
    before = content(first)
    first.rename(tmp_path / 'kept')
    assert content(shoot('bag', **kind)) == before


def test_a_single_file_is_a_bag_too(shoot):
    for kind in KINDS:
        with open_bag(only_file(shoot(f'bag{KINDS.index(kind)}', **kind))) as bag:
            assert bag.count == 12


@pytest.mark.parametrize('kind', KINDS)
def test_other_programs_read_what_we_write(shoot, kind):
    with Reader(shoot(**kind)) as reader:
        (connection,) = reader.connections
        assert connection.msgtype == IMAGE
        assert connection.digest == definition_of(IMAGE)[1]
        (qos,) = connection.ext.offered_qos_profiles
        assert (qos.reliability.name, qos.depth) == ('BEST_EFFORT', 5)
        assert len(list(reader.messages())) == 12


def test_the_index_of_an_mcap_file_is_right(shoot):
    with only_file(shoot()).open('rb') as file:
        summary = make_reader(file).get_summary()
    assert summary.statistics.message_count == 12
    assert [s.encoding for s in summary.schemas.values()] == ['ros2msg']


def test_files_are_split_by_size_and_by_time(shoot):
    by_size = shoot('by_size', max_bytes=8_000, compression='none')
    by_time = shoot('by_time', max_seconds=0.4)
    assert len(list(by_size.glob('by_size_*.mcap'))) == 4
    assert len(list(by_time.glob('by_time_*.mcap'))) == 3
    for folder in (by_size, by_time):
        with open_bag(folder) as bag:
            stamps = [message.stamp for message in bag.messages()]
        assert stamps == sorted(stamps)
        assert len(stamps) == 12
        (folder / 'metadata.yaml').unlink()
        with open_bag(folder) as bag:
            assert [message.stamp for message in bag.messages()] == stamps


def test_labels_lie_beside_pictures_of_a_data_set(tmp_path):
    make_bag(tmp_path / 'bag', Shooting('fashion-mnist', count=5))
    with open_bag(tmp_path / 'bag') as bag:
        assert bag.topics['/camera/image/labels'].count == 5
        check_own_types(bag, bag.topics)


# --- damage -------------------------------------------------------------------------------------


def chunked(tmp_path):
    """A bag with a chunk for each of five messages."""
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/a', IMAGE)
        for number in range(5):
            writer.write('/a', number + 1, bytes(1000))
            writer.flush()
    return tmp_path / 'bag'


def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path):
    file = only_file(chunked(tmp_path))
    file.write_bytes(file.read_bytes()[: -file.stat().st_size // 2])
    for path in (file.parent, file):
        with open_bag(path) as bag:
            got = len(list(bag.messages()))
            assert 0 < got < 5
            note, *others = bag.notes
            assert f'{got} messages recovered, the file ends in the middle' in note
            lost = [f'5 messages of /a, found {got}' in other for other in others]
            assert lost == ([True] if path.is_dir() else [])


def test_a_file_without_its_end_loses_nothing(tmp_path):
    """As a recorder leaves it that is killed behind a flush."""
    file = McapFile(tmp_path / 'x.mcap', 'none')
    file.add_topic('/a', IMAGE, '', *definition_of(IMAGE))
    for number in range(3):
        file.write('/a', number, b'abcd')
    file.flush()
    with open_bag(tmp_path / 'x.mcap') as bag:
        assert [message.raw for message in bag.messages()] == [b'abcd'] * 3


def test_a_changed_byte_is_noticed_and_can_be_read_past(tmp_path):
    file = only_file(chunked(tmp_path))
    raw = bytearray(file.read_bytes())
    raw[raw.index(bytes(500)) + 250] = 1
    file.write_bytes(raw)
    with open_bag(file.parent) as bag, pytest.raises(DataError, match=r'damaged .*--salvage'):
        list(bag.messages())
    with open_bag(file.parent, salvage=True) as bag:
        assert sum(1 in message.raw for message in bag.messages()) == 1
        assert '1 chunks fail their check sum' in bag.notes[0]


@pytest.mark.parametrize('size', [20, 100, 5_000])
def test_a_truncated_database_costs_one_line(shoot, size):
    file = only_file(shoot(storage='sqlite3'))
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(DataError, match=r'damaged|no bag file'):
        open_bag(file.parent)


def database(folder):
    """Write a database of a thousand small messages, several dozen pages."""
    file = SqliteFile(folder / 'x.db3', 'none')
    file.add_topic('/a', IMAGE, '', *definition_of(IMAGE))
    for number in range(1_000):
        file.write('/a', number, bytes(200))
    file.close('')
    return folder / 'x.db3'


def test_a_database_that_is_torn_in_its_middle_gives_what_comes_before_and_says_so(tmp_path):
    path = database(tmp_path)
    whole = survey(path)
    assert (whole.count, whole.whole) == (1_000, True)
    raw = bytearray(path.read_bytes())
    page = 4_096
    middle = len(raw) // 2 // page * page
    raw[middle:] = b'\xff' * (len(raw) - middle)
    path.write_bytes(raw)
    torn = survey(path)
    assert 0 < torn.count < 1_000
    assert not torn.whole
    assert f'{torn.count} messages recovered, the file ends in the middle' in torn.describe()
    with open_bag(path) as bag:
        assert len(list(bag.messages())) == torn.count
        assert 'the file ends in the middle' in bag.notes[0]


def test_what_is_no_bag_is_named(tmp_path):
    with pytest.raises(DataError, match='does not exist'):
        open_bag(tmp_path / 'nothing')
    with pytest.raises(DataError, match=r'no \.mcap and no \.db3'):
        open_bag(tmp_path)
    (tmp_path / 'x.mcap').write_bytes(b'not a bag at all')
    with pytest.raises(DataError, match='neither MCAP nor sqlite3'):
        open_bag(tmp_path / 'x.mcap')
    (tmp_path / 'empty.mcap').touch()
    with pytest.raises(DataError, match='neither MCAP nor sqlite3'):
        open_bag(tmp_path / 'empty.mcap')


def test_a_wrong_topic_lists_the_right_ones(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        for name, kind in (('/left', IMAGE), ('/right', IMAGE), ('/text', 'std_msgs/msg/String')):
            writer.add_topic(name, kind)
            writer.write(name, 1, b'abcd')
    with open_bag(tmp_path / 'bag') as bag:
        with pytest.raises(ConfigError, match=r'several.*--topic /left \(1\), /right'):
            image_topic(bag)
        with pytest.raises(ConfigError, match=r'no topic /middle: --topic can be /left'):
            image_topic(bag, '/middle')
        with pytest.raises(ConfigError, match=r'/text holds 1 messages of std_msgs/msg/String'):
            image_topic(bag, '/text')
        (torn,) = pictures(bag, image_topic(bag, '/left'))
        assert torn.message is None


def test_a_bag_without_pictures_says_what_it_holds(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/text', 'std_msgs/msg/String')
        writer.write('/text', 1, b'abcd')
    with (
        open_bag(tmp_path / 'bag') as bag,
        pytest.raises(DataError, match='no pictures, only std_msgs/msg/String'),
    ):
        image_topic(bag)


def test_a_type_that_is_not_installed_is_named(tmp_path):
    with (
        BagWriter(tmp_path / 'bag') as writer,
        pytest.raises(DataError, match='install the package no_such'),
    ):
        writer.add_topic('/x', 'no_such/msg/Thing')


def test_messages_of_another_release_are_refused(tmp_path):
    kind = 'iot_fl_ros/msg/Inference'
    file = McapFile(tmp_path / 'x.mcap', 'none')
    file.add_topic('/i', kind, '', 'uint8 something_else\n', '')
    file.write('/i', 1, b'abcd')
    file.close('')
    with open_bag(tmp_path / 'x.mcap') as bag, pytest.raises(DataError, match='another release'):
        check_own_types(bag, ['/i'])


def test_a_bag_is_never_overwritten(shoot):
    shoot()
    with pytest.raises(ConfigError, match='there already'):
        shoot()


@pytest.mark.parametrize('mode', [CompressionMode.FILE, CompressionMode.MESSAGE])
@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_compressed_bags_of_others_are_read(tmp_path, mode, plugin):
    writer = Writer(tmp_path / 'bag', version=9, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection('/a', 'std_msgs/msg/String', typestore=typestore())
        writer.write(connection, 5, b'abcdefgh')
    with open_bag(tmp_path / 'bag') as bag:
        assert [m.raw for m in bag.messages()] == [b'abcdefgh']
    if mode is CompressionMode.FILE:
        (packed,) = Path(tmp_path / 'bag').glob('*.zstd')
        with open_bag(packed) as bag:
            assert [m.raw for m in bag.messages()] == [b'abcdefgh']


def test_a_packed_file_that_is_damaged_is_named(tmp_path):
    writer = Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.FILE, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection('/a', 'std_msgs/msg/String', typestore=typestore())
        for stamp in range(50):
            writer.write(connection, stamp, np.random.default_rng(stamp).bytes(100_000))
    (packed,) = Path(tmp_path / 'bag').glob('*.zstd')
    whole = packed.read_bytes()
    for content, said in (
        (b'no frame' + whole[8:], ' cannot be unpacked: '),
        (whole[:8], ' cannot be unpacked: it ends before its first block does'),
        (whole[:1_000], ' is damaged and holds no message that can be read'),
    ):
        packed.write_bytes(content)
        with pytest.raises(DataError, match=f'^{packed}{said}'):
            open_bag(packed)
    packed.write_bytes(whole[: len(whole) // 2])
    with open_bag(packed) as bag:
        (note,) = bag.notes
        assert note.startswith('bag.mcap: ')
        assert note.endswith(' messages recovered, the file ends in the middle')
        assert 10 < len(list(bag.messages())) < 50


def test_a_bag_that_cannot_be_begun_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match='file/bag cannot be made: Not a directory'):
        BagWriter(tmp_path / 'file/bag')
    with BagWriter(tmp_path / 'bag') as bag:
        bag.add_topic('/a', 'std_msgs/msg/String')
        with pytest.raises(DataError, match='/a has two types, std_msgs/msg/String and std_msgs'):
            bag.add_topic('/a', 'std_msgs/msg/Int32')


@pytest.mark.parametrize(
    'wrong', [{'storage': 'x'}, {'compression': 'x'}, {'max_bytes': -1},
              {'storage': 'sqlite3', 'compression': 'zstd'}],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        BagSettings(**wrong)


def test_a_definition_in_another_language_is_not_held_against_a_bag(tmp_path):
    kind = 'iot_fl_ros/msg/Inference'
    file = McapFile(tmp_path / 'x.mcap', 'none')
    definition = '=' * 80 + '\nIDL: iot_fl_ros/msg/Inference\nmodule iot_fl_ros {};'
    file.add_topic('/i', kind, '', definition, '')
    file.write('/i', 1, b'abcd')
    file.close('')
    with open_bag(tmp_path / 'x.mcap') as bag:
        check_own_types(bag, ['/i'])


def test_a_missing_file_of_several_is_told(shoot):
    folder = shoot(max_seconds=0.4)
    (folder / 'bag_1.mcap').unlink()
    with open_bag(folder) as bag:
        assert bag.count == 8
        assert 'bag_1.mcap is not there' in bag.notes[0]
