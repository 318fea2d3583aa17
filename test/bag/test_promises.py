"""What an index, metadata.yaml or a database promise is compared with what is there."""

import shutil
import sqlite3

import pytest
import yaml
import zstandard
from mcap.writer import CompressionType, IndexType, Writer

from iot_fl_ros.bag.definitions import definition_of
from iot_fl_ros.bag.mcap_index import index_is_whole
from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.bag.storage import SqliteFile
from iot_fl_ros.core.errors import DataError

STRING = 'std_msgs/msg/String'
COUNT = 10


def payload(number):
    """Return CDR of a String."""
    text = f'message {number}'.encode() + b'\0'
    return b'\0\1\0\0' + len(text).to_bytes(4, 'little') + text


def write_mcap(
    path,
    stamps=range(COUNT),
    *,
    pack=bytes,
    topics=('/a',),
    schema=True,
    profile='ros2',
    **options,
):
    """Write a message to each topic at each stamp, a chunk for every third."""
    with path.open('wb') as file:
        writer = Writer(file, chunk_size=120, compression=CompressionType.NONE, **options)
        writer.start(profile, 'test')
        text = definition_of(STRING)[0].encode()
        schema_id = writer.register_schema(STRING, 'ros2msg', text) if schema else 0
        channels = [writer.register_channel(topic, 'cdr', schema_id) for topic in topics]
        for number, stamp in enumerate(stamps):
            for channel in channels:
                writer.add_message(channel, stamp, pack(payload(number)), stamp)
        writer.finish()
    return path


def write_metadata(folder, files, counts, kind=STRING):
    """Write the metadata.yaml of a bag as rosbag2 does, with these promises."""
    topics = [
        {
            'topic_metadata': {'name': name, 'type': kind, 'serialization_format': 'cdr',
                               'offered_qos_profiles': [], 'type_description_hash': ''},
            'message_count': count,
        }
        for name, count in counts.items()
    ]  # fmt: skip
    content = {
        'version': 9, 'storage_identifier': 'mcap', 'duration': {'nanoseconds': 1},
        'starting_time': {'nanoseconds_since_epoch': 0}, 'message_count': sum(counts.values()),
        'topics_with_message_count': topics, 'compression_format': '', 'compression_mode': '',
        'relative_file_paths': files, 'files': [], 'custom_data': None, 'ros_distro': 'jazzy',
    }  # fmt: skip
    text = yaml.safe_dump({'rosbag2_bagfile_information': content})
    (folder / 'metadata.yaml').write_text(text)


def read(path, **options):
    """Return (texts, notes) of a bag."""
    with open_bag(path, **options) as bag:
        assert bag.count == len(list(bag.messages()))
        return [m.raw for m in bag.messages()], bag.notes


WHOLE = [payload(number) for number in range(COUNT)]

# --- an index that is only a part ---


@pytest.mark.parametrize(
    ('whole', 'options'),
    [
        (True, {}),
        (True, {'use_summary_offsets': False}),
        (False, {'index_types': IndexType.CHUNK}),
        (False, {'index_types': IndexType.MESSAGE}),
        (False, {'index_types': IndexType.NONE}),
        (False, {'repeat_channels': False}),
        (False, {'repeat_schemas': False}),
        (False, {'use_statistics': False}),
        (False, {'use_chunking': False}),
    ],
)
def test_a_whole_file_is_read_whole_whatever_its_index_leaves_out(tmp_path, whole, options):
    path = write_mcap(tmp_path / 'a.mcap', **options)
    assert index_is_whole(path) == whole
    assert read(path) == (WHOLE, [])
    assert read(path, salvage=True) == (WHOLE, [])


def test_an_index_that_hides_a_chunk_is_not_believed(tmp_path):
    """Two files put together, of which the last one's index is kept."""
    path = write_mcap(tmp_path / 'a.mcap')
    raw = bytearray(path.read_bytes())
    # The first message index says that it is of another channel.
    place = raw.index(b'\x07' + (2 + 4 + 16 * 3).to_bytes(8, 'little'))
    raw[place + 9] ^= 0xFF
    path.write_bytes(raw)
    assert not index_is_whole(path)
    assert read(path)[0] == WHOLE


def test_counts_that_are_not_there_are_told(tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', index_types=IndexType.NONE)
    raw = path.read_bytes()
    # Statistics: the count of all messages, and at their end that of the only channel.
    ten, twelve = ((n).to_bytes(8, 'little') for n in (COUNT, COUNT + 2))
    assert raw.count(ten) >= 2
    path.write_bytes(raw.replace(ten, twelve))
    texts, notes = read(path)
    assert texts == WHOLE
    assert notes == ['a.mcap: its index promises 12 messages of /a, 10 are there']


def test_messages_without_a_type_are_counted_and_named(tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', schema=False, topics=('/example',))
    with pytest.raises(DataError, match='holds only 10 messages of topic /example without a type'):
        open_bag(path)


def test_a_file_without_messages_is_not_called_damaged(tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', stamps=(), profile='')
    with pytest.raises(DataError, match=r'a\.mcap holds no messages$'):
        open_bag(path)
    write_mcap(tmp_path / 'b.mcap')
    assert read(tmp_path) == (WHOLE, [f'{path} holds no messages'])


def test_a_file_that_is_no_bag_costs_itself(tmp_path):
    write_mcap(tmp_path / 'a.mcap')
    (tmp_path / 'b.mcap').write_bytes(b'no bag at all')
    texts, (note,) = read(tmp_path)
    assert texts == WHOLE
    assert 'b.mcap is no bag file' in note


# --- metadata.yaml ---


@pytest.mark.parametrize(
    ('files', 'counts', 'said'),
    [
        (['bag_0.mcap'], {'/a': COUNT}, ''),
        (['bag/bag_0.mcap'], {'/a': COUNT}, ''),
        (['bag_0.mcap'], {'/a': 12}, '12 messages of /a, found 10'),
        (['bag_0.mcap'], {'/a': COUNT, '/b': 3}, '3 messages of /b, found 0'),
        (['bag_0.mcap', 'bag_1.mcap'], {'/a': COUNT}, 'bag_1.mcap is not there'),
        ([], {'/a': COUNT}, 'bag_0.mcap is not in its list'),
    ],
)
def test_metadata_are_compared_and_the_files_are_read(tmp_path, files, counts, said):
    write_mcap(tmp_path / 'bag_0.mcap')
    write_metadata(tmp_path, files, counts)
    texts, notes = read(tmp_path)
    assert texts == WHOLE
    fits = f'{tmp_path.name}: metadata.yaml does not fit the files beside it: '
    assert notes == ([fits + said] if said else [])


def test_a_type_that_metadata_call_otherwise_is_told(tmp_path):
    write_mcap(tmp_path / 'bag_0.mcap')
    write_metadata(tmp_path, ['bag_0.mcap'], {'/a': COUNT}, 'std_msgs/msg/Int32')
    _, (note,) = read(tmp_path)
    assert '/a of type std_msgs/msg/Int32, found std_msgs/msg/String' in note


@pytest.mark.parametrize('text', ['', '[', 'rosbag2_bagfile_information: 3', '\0', '- 1'])
def test_metadata_that_make_no_sense_are_told_and_left(tmp_path, text):
    write_mcap(tmp_path / 'bag_0.mcap')
    (tmp_path / 'metadata.yaml').write_text(text)
    texts, (note,) = read(tmp_path)
    assert texts == WHOLE
    assert 'metadata.yaml makes no sense' in note
    assert 'read without it' in note
    assert '\n' not in note


# --- messages that are compressed one by one ---


@pytest.mark.parametrize('salvage', [False, True])
@pytest.mark.parametrize('index', [IndexType.ALL, IndexType.NONE])
def test_compressed_messages_are_known_by_their_bytes(tmp_path, index, salvage):
    pack = zstandard.ZstdCompressor().compress
    write_mcap(tmp_path / 'bag_0.mcap', pack=pack, index_types=index)
    assert read(tmp_path, salvage=salvage) == (WHOLE, [])
    assert read(tmp_path / 'bag_0.mcap', salvage=salvage) == (WHOLE, [])


def test_an_unpacked_file_beside_the_packed_one_is_read_once(tmp_path):
    path = write_mcap(tmp_path / 'bag_0.mcap')
    (tmp_path / 'bag_0.mcap.zstd').write_bytes(zstandard.compress(path.read_bytes()))
    write_metadata(tmp_path, ['bag_0.mcap.zstd'], {'/a': COUNT})
    assert read(tmp_path) == (WHOLE, [])


# --- databases ---


def write_database(path):
    """Write the messages into a database, the last four only into its log; return the log."""
    file = SqliteFile(path)
    file.add_topic('/a', STRING, '', *definition_of(STRING))
    for number in range(6):
        file.write('/a', number, payload(number))
    file.close('')
    db = sqlite3.connect(path)
    db.execute('PRAGMA journal_mode=WAL')
    for number in range(6, COUNT):
        db.execute(
            'INSERT INTO messages (topic_id, timestamp, data) VALUES (1, ?, ?)',
            (number, payload(number)),
        )
    db.commit()
    log = path.with_name(path.name + '-wal')
    copies = {one: one.read_bytes() for one in (path, log)}
    db.close()
    for one, content in copies.items():
        one.write_bytes(content)
    return log


@pytest.mark.parametrize('salvage', [False, True])
def test_the_log_of_a_database_that_was_not_closed_is_read_and_left_as_it_is(tmp_path, salvage):
    path = tmp_path / 'bag_0.db3'
    log = write_database(path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    said = [f'{path.name} was not closed: what lies in {log.name} is read too']
    assert read(path, salvage=salvage) == (WHOLE, said)
    assert read(tmp_path, salvage=salvage) == (WHOLE, said)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


@pytest.mark.parametrize('name', ['run#3', 'what?', '100%', 'a b', 'ä'])
def test_names_that_mean_something_in_a_uri_are_quoted(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    file = SqliteFile(folder / f'{name}_0.db3')
    file.add_topic('/a', STRING, '', *definition_of(STRING))
    for number in range(COUNT):
        file.write('/a', number, payload(number))
    file.close('')
    shutil.copy(folder / f'{name}_0.db3', tmp_path / 'plain.db3')
    assert read(tmp_path / 'plain.db3') == (WHOLE, [])
    assert read(folder) == (WHOLE, [])
    assert read(folder, salvage=True) == (WHOLE, [])


def test_messages_of_a_topic_that_a_database_does_not_name_are_told(tmp_path):
    path = tmp_path / 'bag_0.db3'
    file = SqliteFile(path)
    file.add_topic('/a', STRING, '', *definition_of(STRING))
    for number in range(COUNT):
        file.write('/a', number, payload(number))
    file.close('')
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (7, 3, x'00')")
    db.close()
    texts, (note,) = read(path)
    assert texts == WHOLE
    assert '1 messages of topics without a name' in note


def test_messages_come_by_the_time_of_receiving(tmp_path):
    path = tmp_path / 'bag_0.db3'
    file = SqliteFile(path)
    file.add_topic('/a', STRING, '', *definition_of(STRING))
    for number in (2, 0, 1):
        file.write('/a', number, payload(number))
    file.close('')
    assert read(path)[0] == WHOLE[:3]
    write_mcap(tmp_path / 'a.mcap', stamps=(5, 3, 4))
    assert read(tmp_path / 'a.mcap')[0] == [payload(1), payload(2), payload(0)]


@pytest.mark.parametrize(
    ('text', 'said'),
    [('[' * 3_000, 'makes no sense'), ('#' * (1 << 20) + '\n', 'more than any bag needs')],
    ids=['deep', 'huge'],
)
def test_metadata_that_are_deep_or_huge_cost_one_line(tmp_path, text, said):
    write_mcap(tmp_path / 'bag_0.mcap')
    (tmp_path / 'metadata.yaml').write_text(text)
    messages, notes = read(tmp_path)
    assert messages == WHOLE
    assert said in notes[0]


def test_rows_of_a_database_that_are_no_messages_are_left_out(tmp_path):
    path = tmp_path / 'bag_0.db3'
    write_database(path).unlink()
    db = sqlite3.connect(path)
    db.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (1, 99, 'text')")
    db.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (1, 'now', x'00')")
    db.commit()
    db.close()
    with pytest.raises(DataError, match='--salvage'):
        read(tmp_path)
    messages, _ = read(tmp_path, salvage=True)
    assert len(messages) == 7, 'text may be bytes of a message; it costs itself when it is read'


def test_a_copy_for_which_there_is_no_room_says_how_to_make_some(tmp_path, monkeypatch):
    write_database(tmp_path / 'bag_0.db3')

    def full(*names):
        raise OSError('no space left')

    monkeypatch.setattr('shutil.copy', full)
    with pytest.raises(DataError, match='set TMPDIR'):
        read(tmp_path)


def test_metadata_that_grow_when_they_are_read_are_refused(tmp_path):
    write_mcap(tmp_path / 'bag_0.mcap')
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 10)}]' for n in range(1, 12)]
    lines += ['rosbag2_bagfile_information:', '  topics_with_message_count: []']
    lines += ['  relative_file_paths: [*a11]']
    (tmp_path / 'metadata.yaml').write_text('\n'.join(lines))
    messages, notes = read(tmp_path)
    assert messages == WHOLE
    assert 'text is needed, not list' in notes[0]
