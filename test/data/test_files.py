"""Samples from the user's own files."""

import numpy as np
import pytest
from PIL import Image

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data.registry import DATA_SETS, load_samples


@pytest.fixture
def photos(tmp_path):
    for name, value in (('cup', 10), ('shoe', 200)):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new('L', (28, 20), value + i).save(tmp_path / name / f'{i}.png')
    return tmp_path


def test_a_folder_with_a_folder_per_class(photos):
    samples = load_samples(str(photos), 'train')
    assert samples.shape == (1, 20, 28)
    assert samples.class_names == ('cup', 'shoe')
    np.testing.assert_array_equal(samples.labels, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(samples.values[:, 0, 0, 0], [10, 11, 12, 200, 201, 202])


def test_a_folder_is_converted_to_the_shape_of_the_run(photos):
    assert load_samples(str(photos), 'train', (3, 8, 8)).shape == (3, 8, 8)


def test_a_folder_without_classes_is_an_open_set(photos):
    samples = load_samples(str(photos / 'cup'), 'train')
    assert samples.labels is None
    assert len(samples) == 3


def test_a_broken_image_costs_itself_and_is_named(photos, caplog):
    (photos / 'cup' / '9.png').write_bytes(b'no image')
    torn = (photos / 'cup' / '0.png').read_bytes()[:45]
    (photos / 'cup' / '8.png').write_bytes(torn)
    samples = load_samples(str(photos), 'train')
    assert len(samples) == 6
    (said,) = caplog.messages
    assert '2 of 8 images cannot be read: cup/8.png' in said
    assert 'cup/9.png' in said


def test_a_folder_without_images_and_images_too_large_to_train_on_are_refused(photos, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match='holds no images: put them in one sub-folder per class'):
        load_samples(str(tmp_path / 'empty'), 'train')
    (tmp_path / 'wide/cup').mkdir(parents=True)
    Image.new('L', (5_000, 4)).save(tmp_path / 'wide/cup/0.png')
    with pytest.raises(DataError, match=r'0\.png has 5000 x 4 pixels: set data\.picture_size'):
        load_samples(str(tmp_path / 'wide'), 'train')
    assert load_samples(str(tmp_path / 'wide'), 'train', None, 8).shape == (1, 8, 8)


def test_a_picture_that_would_fill_the_memory_costs_itself(photos, monkeypatch, caplog):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 400)
    Image.new('L', (60, 60)).save(photos / 'cup' / '7.png')
    assert len(load_samples(str(photos), 'train')) == 6
    assert '1 of 7 images cannot be read: cup/7.png' in caplog.messages[-1]


def test_a_folder_of_broken_images_is_refused(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'x.png').write_bytes(b'')
    with pytest.raises(DataError, match=r'1 of 1 images cannot be read: a/x\.png'):
        load_samples(str(tmp_path), 'train')


def test_images_in_folders_of_a_class_are_its_own_and_leftovers_are_no_classes(photos):
    deep = photos / 'cup' / 'monday' / 'morning'
    deep.mkdir(parents=True)
    Image.new('L', (28, 20), 77).save(deep / 'z.png')
    for name in ('__MACOSX', '.git', '@eaDir'):
        (photos / name).mkdir()
        Image.new('L', (28, 20), 5).save(photos / name / 'x.png')
    (photos / 'cup' / '._0.png').write_bytes(b'resource fork')
    samples = load_samples(str(photos), 'train')
    assert samples.class_names == ('cup', 'shoe')
    assert (len(samples), int((samples.values[:, 0, 0, 0] == 77).sum())) == (7, 1)


def test_images_beside_the_folders_of_classes_are_not_left_out_in_silence(photos):
    Image.new('L', (28, 20), 5).save(photos / 'stray.png')
    with pytest.raises(DataError, match=r'stray\.png: move them into one'):
        load_samples(str(photos), 'train')


def test_images_are_upright_as_the_camera_says(tmp_path):
    image = Image.new('L', (8, 4), 0)
    image.putpixel((0, 0), 255)
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees, clockwise to show
    image.save(tmp_path / 'x.png', exif=exif)
    samples = load_samples(str(tmp_path), 'train')
    assert samples.shape == (1, 8, 4)
    assert samples.values[0, 0, 0, 3] == 255


@pytest.mark.parametrize(
    ('dtype', 'suffix', 'values', 'expected'),
    [
        (np.uint16, 'png', (0, 30_000, 65_535), (0, 117, 255)),
        (np.uint16, 'tif', (0, 30_000, 65_535), (0, 117, 255)),
        (np.int32, 'tif', (0, 30_000, 65_535), (0, 117, 255)),
        (np.float32, 'tif', (0.0, 0.5, 1.0), (0, 128, 255)),
    ],
)
def test_deep_images_keep_their_range(tmp_path, dtype, suffix, values, expected):
    Image.fromarray(np.array([values], dtype)).save(tmp_path / f'x.{suffix}')
    (image,) = load_samples(str(tmp_path), 'train').values
    np.testing.assert_array_equal(image[0, 0], expected)


@pytest.mark.parametrize('values', [(-1.0, 0.5), (0.0, 1.5), (0.0, np.nan), (0.0, 255.0)])
def test_floats_that_are_no_shares_are_refused(tmp_path, values):
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / 'x.tif')
    with pytest.raises(DataError, match=r'float values outside of 0\.\.1'):
        load_samples(str(tmp_path), 'train')


@pytest.mark.parametrize('first', ['L', 'RGB'])
def test_one_image_with_colours_makes_all_of_them_colour(tmp_path, first):
    other = {'L': 'RGB', 'RGB': 'L'}[first]
    Image.new(first, (4, 4)).save(tmp_path / '0.png')
    Image.new(other, (4, 4)).save(tmp_path / '1.png')
    assert load_samples(str(tmp_path), 'train').shape == (3, 4, 4)


def test_npz_with_and_without_splits(tmp_path, toy_npz):
    assert load_samples(str(toy_npz), 'train').shape == (1, 8, 8)
    assert len(load_samples(str(toy_npz), 'test')) == 100
    np.savez(tmp_path / 'c.npz', x=np.zeros((5, 8, 8, 3), np.uint8))
    colour = load_samples(str(tmp_path / 'c.npz'), 'train')
    assert colour.shape == (3, 8, 8)
    assert colour.labels is None
    with pytest.raises(DataError, match='does not exist'):
        load_samples(str(tmp_path / 'none.npz'), 'train')


@pytest.fixture
def npz(tmp_path):
    """Return a loader of an archive with these arrays."""

    def load(**arrays):
        np.savez(tmp_path / 'd.npz', **arrays)
        return load_samples(str(tmp_path / 'd.npz'), 'train')

    return load


BYTES = np.zeros((3, 4, 4), np.uint8)


def test_text_becomes_names_of_classes(npz):
    samples = npz(x=BYTES, y=np.array(['shoe', 'cup', 'shoe']))
    assert samples.class_names == ('cup', 'shoe')
    np.testing.assert_array_equal(samples.labels, [1, 0, 1])
    ordered = npz(x=BYTES, y=np.array(['shoe', 'cup', 'shoe']), class_names=['shoe', 'hat', 'cup'])
    np.testing.assert_array_equal(ordered.labels, [0, 2, 0])


def test_integers_of_any_type_are_taken_where_they_fit(npz):
    wide = npz(x=np.full((3, 4, 4), 255, np.int32), y=np.array([0, 1, 2], np.int8))
    assert (wide.values.dtype, wide.labels.dtype) == (np.uint8, np.int64)
    assert wide.values.max() == 255
    np.testing.assert_array_equal(npz(x=BYTES, y=np.array([0.0, 1.0, 2.0])).labels, [0, 1, 2])


@pytest.mark.parametrize(
    ('arrays', 'said'),
    [
        ({'x': BYTES, 'y': np.array([0, -1, 1])}, 'has label -1: labels are integers from 0'),
        ({'x': BYTES, 'y': np.array([0, 0.5, 1])}, 'not whole numbers'),
        ({'x': BYTES, 'y': np.array([0, np.nan, 1])}, 'not whole numbers'),
        (
            {'x': BYTES, 'y': np.array([0, 2, 1]), 'class_names': ['a', 'b']},
            'a label is 2: labels are integers from 0 to 1',
        ),
        ({'x': BYTES, 'y': np.array(['a', 'b', 'c']), 'class_names': ['a', 'b']}, "y has 'c'"),
        ({'x': BYTES, 'y': np.array([0, 1])}, '3 samples have 2 labels'),
        ({'x': np.full((3, 4, 4), 256, np.int32)}, '0..255, or floating values'),
        ({'x': np.full((3, 4, 4), -1, np.int16)}, '0..255, or floating values'),
        ({'x': np.full((3, 4, 4), 200.0)}, 'store pixels as uint8, or divide them'),
        ({'x': np.full((3, 4, 4), np.inf)}, 'not finite'),
        ({'x': np.zeros((3, 8, 8, 4), np.uint8)}, '4 channels behind the pixels'),
        ({'x': np.array(3)}, r'\[N, ...\] is needed'),
        ({'z': BYTES}, 'an array x or x_train is needed'),
    ],
)
def test_arrays_that_would_be_bent_are_refused(npz, arrays, said):
    with pytest.raises(DataError, match=said) as refused:
        npz(**arrays)
    assert 'd.npz' in str(refused.value)


@pytest.mark.parametrize('content', [b'', b'no archive', b'PK\x03\x04torn'])
def test_what_is_no_archive_costs_one_line(tmp_path, content):
    (tmp_path / 'd.npz').write_bytes(content)
    with pytest.raises(DataError, match=r'd\.npz cannot be read as \.npz'):
        load_samples(str(tmp_path / 'd.npz'), 'train')


def test_an_archive_with_objects_is_not_unpickled(npz):
    with pytest.raises(DataError, match='cannot be read'):
        npz(x=np.array([{}, []], object))


def test_a_path_that_is_not_there_is_no_unknown_name(photos):
    with pytest.raises(DataError, match=r'cap does not exist: did you mean .*cup'):
        load_samples(str(photos / 'cap'), 'train')
    with pytest.raises(DataError, match=r'there is no \S*shoo: did you mean \S*shoe'):
        load_samples(str(photos / 'shoo' / 'old'), 'train')
    with pytest.raises(DataError, match='/no/photos does not exist'):
        load_samples('/no/photos', 'train')


def test_a_file_that_is_no_archive_is_named(tmp_path, monkeypatch):
    (tmp_path / 'pictures.zip').write_bytes(b'PK')
    with pytest.raises(DataError, match='is a file: a folder'):
        load_samples(str(tmp_path / 'pictures.zip'), 'train')
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'fashion-mnist').touch()
    assert 'fashion-mnist' in DATA_SETS.names()
    monkeypatch.setattr(DATA_SETS, 'get', lambda name: lambda split: 'the registered one')
    with pytest.raises(DataError, match='is a str'):
        load_samples('fashion-mnist', 'train')
    with open(tmp_path / 'x.npz', 'wb') as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match='cannot be read as'):
        load_samples(str(tmp_path / 'x.npz'), 'train')
    with pytest.raises(DataError, match='nobody_of_this_name'):
        load_samples('~nobody_of_this_name/x', 'train')


def test_hidden_folders_are_left_out_at_any_depth_but_not_above(tmp_path):
    home = tmp_path / '.open'
    for place in ('cup', 'cup/.cache/big'):
        (home / place).mkdir(parents=True)
        Image.new('RGB', (4, 4)).save(home / place / '1.png')
    assert len(load_samples(str(home), 'train')) == 1
    assert len(load_samples(str(home / 'cup'), 'train')) == 1


def test_numbers_that_count_no_classes_are_no_labels(npz):
    with pytest.raises(DataError, match='has label 1000000000000'):
        npz(x=BYTES, y=np.array([0, 1, 10**12]))
