"""Pictures between sensor_msgs and arrays, each encoding against a picture made by hand."""

import array

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.ros.images import _ENCODINGS, compressed_from_rgb, from_rgb, to_rgb

HEIGHT, WIDTH = 6, 8
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GREY = RGB[..., :1]
ALPHA = np.full_like(GREY, 77)
BGR = RGB[..., ::-1]


def wide(pixels):
    """16-bit values with these upper 8 bits and something below."""
    return (pixels.astype(np.uint16) << 8) + 99


def bayer(first, second, dtype=np.uint8):
    """A mosaic of a picture of one colour: (200, 100, 50) under the filters given."""
    value = dict(zip('rgb', (200, 100, 50), strict=True))
    mosaic = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    for row, colours in enumerate((first, second)):
        for column, colour in enumerate(colours):
            mosaic[row::2, column::2] = value[colour]
    return mosaic if dtype == np.uint8 else wide(mosaic)


def yuv(order):
    """A grey picture in 4:2:2: brightness as GREY, no colour; order: of Y and colour."""
    none = np.full_like(GREY, 128)
    return np.concatenate([GREY, none] if order == 'yc' else [none, GREY], axis=-1)


FLAT = np.broadcast_to(np.array([200, 100, 50], np.uint8), RGB.shape)
AS_GREY = np.broadcast_to(GREY, RGB.shape)
VIDEO_GREY = np.clip((GREY.astype(float) - 16) * 255 / 219, 0, 255).round()
# encoding: (pixels as sent [height, width, channels], what it should give, how far off it may be)
PICTURES = {
    'rgb8': (RGB, RGB, 0),
    'rgba8': (np.concatenate([RGB, ALPHA], -1), RGB, 0),
    'bgr8': (BGR, RGB, 0),
    'bgra8': (np.concatenate([BGR, ALPHA], -1), RGB, 0),
    'mono8': (GREY, AS_GREY, 0),
    'rgb16': (wide(RGB), RGB, 0),
    'rgba16': (wide(np.concatenate([RGB, ALPHA], -1)), RGB, 0),
    'bgr16': (wide(BGR), RGB, 0),
    'bgra16': (wide(np.concatenate([BGR, ALPHA], -1)), RGB, 0),
    'mono16': (wide(GREY), AS_GREY, 0),
    **{
        f'bayer_{name}{bits}': (bayer(name[:2], name[2:], dtype), FLAT, 1)
        for name in ('rggb', 'bggr', 'gbrg', 'grbg')
        for bits, dtype in ((8, np.uint8), (16, np.uint16))
    },
    'yuv422': (yuv('cy'), VIDEO_GREY, 2),
    'uyvy': (yuv('cy'), VIDEO_GREY, 2),
    'yuv422_yuy2': (yuv('yc'), VIDEO_GREY, 2),
    'yuyv': (yuv('yc'), VIDEO_GREY, 2),
    '8UC1': (GREY, AS_GREY, 0),
    '8UC3': (BGR, RGB, 0),
    '8UC4': (np.concatenate([BGR, ALPHA], -1), RGB, 0),
    '16UC1': (wide(GREY), AS_GREY, 0),
    '16UC3': (wide(BGR), RGB, 0),
    '32FC1': (GREY.astype(np.float32) / 255, AS_GREY, 1),
    '32FC3': (BGR.astype(np.float32) / 255, RGB, 1),
}


def image(pixels, encoding, padding=0, big=False):
    """Return a sensor_msgs/Image with `padding` bytes behind each row."""
    message = Image()
    message.height, message.width = pixels.shape[:2]
    message.encoding, message.is_bigendian = encoding, int(big)
    rows = pixels.astype(pixels.dtype.newbyteorder('>' if big else '<'))
    rows = rows.reshape(len(pixels), -1).view(np.uint8)
    message.step = rows.shape[1] + padding
    data = np.concatenate([rows, np.full((len(rows), padding), 255, np.uint8)], axis=1)
    message.data = array.array('B', data.tobytes())
    return message


def compressed(data):
    message = CompressedImage()
    message.data = array.array('B', data)
    return message


def test_every_encoding_has_its_picture_here():
    assert PICTURES.keys() == _ENCODINGS.keys()


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('encoding', PICTURES)
def test_an_encoding_gives_the_picture(encoding, big, padding):
    pixels, expected, tolerance = PICTURES[encoding]
    found = to_rgb(image(pixels, encoding, padding, big))
    assert (found.dtype, found.shape) == (np.uint8, RGB.shape)
    assert found.flags.c_contiguous
    assert abs(found.astype(int) - expected).max() <= tolerance


def semi_planar(encoding, colour, padding=0):
    """A picture of brightness GREY; colour: (first, second) of every pair in the second plane."""
    fine = encoding == 'nv24'
    rows, pairs = (HEIGHT, WIDTH) if fine else (HEIGHT // 2, WIDTH // 2)
    second = np.tile(np.array(colour, np.uint8), (rows, pairs))
    planes = [GREY.reshape(HEIGHT, WIDTH), second]
    gaps = [padding, 2 * padding if fine else padding]
    padded = [
        np.pad(p, ((0, 0), (0, gap)), constant_values=9)
        for p, gap in zip(planes, gaps, strict=True)
    ]
    message = Image(height=HEIGHT, width=WIDTH, step=WIDTH + padding, encoding=encoding)
    message.data = array.array('B', b''.join(p.tobytes() for p in padded))
    return message


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize('encoding', ['nv12', 'nv21', 'nv24'])
def test_brightness_and_then_colour(encoding, padding):
    grey = to_rgb(semi_planar(encoding, (128, 128), padding))
    assert grey.shape == RGB.shape
    assert abs(grey.astype(int) - VIDEO_GREY).max() <= 2
    red, blue = 240, 90  # V above U: red
    pair = (red, blue) if encoding == 'nv21' else (blue, red)
    found = to_rgb(semi_planar(encoding, pair, padding)).astype(int)
    assert (found[..., 0] >= found[..., 2]).all()
    wanted = VIDEO_GREY[..., 0] + 1.596 * (red - 128)
    assert abs(found[..., 0] - wanted.clip(0, 255)).max() <= 3


@pytest.mark.parametrize('encoding', ['nv12', 'nv21', 'nv24'])
def test_planes_that_do_not_fit_are_refused(encoding):
    message = semi_planar(encoding, (128, 128))
    wrong = [('height', HEIGHT + 2), ('step', WIDTH - 1), ('step', (1 << 32) - 1)]
    if encoding != 'nv24':
        wrong.append(('width', WIDTH - 1))
    for name, value in wrong:
        before = getattr(message, name)
        setattr(message, name, value)
        with pytest.raises(MessageError, match=encoding):
            to_rgb(message)
        setattr(message, name, before)


def test_the_last_row_of_colour_needs_no_padding():
    message = semi_planar('nv12', (128, 128), 4)
    message.data = message.data[:-4]
    assert abs(to_rgb(message).astype(int) - VIDEO_GREY).max() <= 2


@pytest.mark.parametrize(
    ('format', 'red_first'),
    [
        ('rgb8; png compressed bgr8', False),
        ('bgr8; png compressed bgr8', False),
        ('rgb8; png compressed rgb8', True),
        ('rgb8; png compressed ', True),
        ('bgr8; png compressed', True),
        ('mono8; png compressed ', False),
        ('png', False),
        ('', False),
    ],
)
def test_the_format_tells_the_order_of_colours_in_a_file(format, red_first):
    _, file = cv2.imencode('.png', np.ascontiguousarray(RGB if red_first else BGR))
    message = compressed(file.tobytes())
    message.format = format
    np.testing.assert_array_equal(to_rgb(message), RGB)


def test_the_last_row_needs_no_padding():
    message = image(RGB, 'rgb8', padding=7)
    message.data = message.data[:-7]
    assert np.array_equal(to_rgb(message), RGB)


@pytest.mark.parametrize(
    ('field', 'value'),
    [('height', HEIGHT + 1), ('width', WIDTH + 1), ('step', 3 * WIDTH - 1), ('height', 0),
     ('width', 0), ('width', 1 << 31), ('height', (1 << 32) - 1), ('step', (1 << 32) - 1),
     ('encoding', 'rgb32'), ('encoding', '')],
)  # fmt: skip
def test_headers_that_lie_are_refused(field, value):
    message = image(RGB, 'rgb8')
    setattr(message, field, value)
    with pytest.raises(MessageError):
        to_rgb(message)


@pytest.mark.parametrize('sides', [(1, 70_000), (70_000, 1)])
def test_sides_that_no_feature_packet_can_tell_are_refused(sides):
    with pytest.raises(MessageError, match='bad picture'):
        to_rgb(image(np.zeros((*sides, 1), np.uint8), 'mono8'))


@pytest.mark.parametrize('encoding', PICTURES)
@pytest.mark.parametrize('sides', [(1, 1), (1, 3), (3, 1), (5, 7)])
def test_odd_sizes_give_a_picture_or_are_refused(encoding, sides):
    pixels = PICTURES[encoding][0][: sides[0], : sides[1]]
    try:
        found = to_rgb(image(pixels, encoding))
    except MessageError:
        assert encoding.startswith(('bayer', 'yu', 'uyvy'))
    else:
        assert found.shape == (*sides, 3)


def test_floats_that_are_no_numbers_give_a_picture():
    pixels = np.array([[np.nan, np.inf, -np.inf, 2.0, -1.0, 0.5]], np.float32)[..., None]
    assert to_rgb(image(pixels, '32FC1'))[0, :, 0].tolist() == [0, 255, 0, 255, 0, 127]


def test_pictures_survive_both_ways():
    message = from_rgb(RGB, Time(sec=5, nanosec=7), 'lens')
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
    assert (message.header.frame_id, message.encoding, message.step) == ('lens', 'rgb8', 24)
    assert np.array_equal(to_rgb(message), RGB)
    turned = np.rot90(RGB)  # not contiguous
    assert np.array_equal(to_rgb(from_rgb(turned, Time(), '')), turned)


def test_jpeg_and_png_are_read():
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    message = compressed_from_rgb(smooth, Time(sec=5), 'lens', quality=100)
    assert (message.header.stamp.sec, message.header.frame_id) == (5, 'lens')
    assert abs(to_rgb(message).astype(int) - smooth).mean() < 3
    small = compressed_from_rgb(smooth, Time(), '', quality=10)
    assert len(small.data) < len(message.data) / 2
    _, png = cv2.imencode('.png', BGR)
    assert np.array_equal(to_rgb(compressed(png.tobytes())), RGB)
    _, grey = cv2.imencode('.png', GREY)
    assert np.array_equal(to_rgb(compressed(grey.tobytes())), AS_GREY)


@pytest.mark.parametrize('data', [b'', b'\x00', b'garbage' * 100, b'\xff\xd8\xff\xe0' + bytes(50)])
def test_garbage_is_refused(data):
    with pytest.raises(MessageError, match='bad picture'):
        to_rgb(compressed(data))
