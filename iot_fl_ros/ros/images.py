"""Pictures between sensor_msgs and arrays, without cv_bridge (which has no wheel)."""

from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from iot_fl_ros.core.errors import MessageError

Rgb = NDArray[np.uint8]
# Encodings of sensor_msgs/image_encodings.hpp: (data type, channels, OpenCV conversion to RGB).
_ENCODINGS: dict[str, tuple[str, int, int | None]] = {
    'rgb8': ('u1', 3, None),
    'rgba8': ('u1', 4, cv2.COLOR_RGBA2RGB),
    'bgr8': ('u1', 3, cv2.COLOR_BGR2RGB),
    'bgra8': ('u1', 4, cv2.COLOR_BGRA2RGB),
    'mono8': ('u1', 1, cv2.COLOR_GRAY2RGB),
    'rgb16': ('u2', 3, None),
    'rgba16': ('u2', 4, cv2.COLOR_RGBA2RGB),
    'bgr16': ('u2', 3, cv2.COLOR_BGR2RGB),
    'bgra16': ('u2', 4, cv2.COLOR_BGRA2RGB),
    'mono16': ('u2', 1, cv2.COLOR_GRAY2RGB),
    # OpenCV names Bayer patterns by their second row: RGGB there is BG.
    'bayer_rggb8': ('u1', 1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': ('u1', 1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': ('u1', 1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': ('u1', 1, cv2.COLOR_BayerGB2RGB),
    'bayer_rggb16': ('u2', 1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr16': ('u2', 1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg16': ('u2', 1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg16': ('u2', 1, cv2.COLOR_BayerGB2RGB),
    'yuv422': ('u1', 2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': ('u1', 2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': ('u1', 2, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': ('u1', 2, cv2.COLOR_YUV2RGB_YUY2),
    # Without a meaning: as OpenCV has pictures, blue first.
    '8UC1': ('u1', 1, cv2.COLOR_GRAY2RGB),
    '8UC3': ('u1', 3, cv2.COLOR_BGR2RGB),
    '8UC4': ('u1', 4, cv2.COLOR_BGRA2RGB),
    '16UC1': ('u2', 1, cv2.COLOR_GRAY2RGB),
    '16UC3': ('u2', 3, cv2.COLOR_BGR2RGB),
    '32FC1': ('f4', 1, cv2.COLOR_GRAY2RGB),
    '32FC3': ('f4', 3, cv2.COLOR_BGR2RGB),
}
_COLOURS = tuple(f'{order}{bits}' for order in ('rgb', 'rgba', 'bgr', 'bgra') for bits in (8, 16))
# (OpenCV conversion, pixels that share a value of colour along each side)
_SEMI_PLANAR = {
    'nv12': (cv2.COLOR_YUV2RGB_NV12, 2),
    'nv21': (cv2.COLOR_YUV2RGB_NV21, 2),
    'nv24': (cv2.COLOR_YUV2RGB_NV12, 1),
}
# No camera makes larger pictures; a header may say anything.
_MAX_PIXELS = 1 << 26
# Feature packets tell the sides in 16 bits.
_MAX_SIDE = (1 << 16) - 1


def to_rgb(message: Any) -> Rgb:
    """Return a sensor_msgs/Image or CompressedImage as uint8 [height, width, 3], RGB.

    16-bit values keep their upper 8 bits, floats are taken as 0..1. MessageError says what cannot
    be used.
    """
    if hasattr(message, 'format'):
        return _decompressed(message)
    height, width, step = message.height, message.width, message.step
    if not 0 < height * width <= _MAX_PIXELS or max(height, width) > _MAX_SIDE:
        raise MessageError('bad picture', f'{width} x {height} pixels')
    if message.encoding in _SEMI_PLANAR:
        return _semi_planar(message)
    if message.encoding not in _ENCODINGS:
        known = ', '.join(sorted({*_ENCODINGS, *_SEMI_PLANAR}))
        raise MessageError('unknown encoding', f'{message.encoding!r} is none of {known}')
    kind, channels, conversion = _ENCODINGS[message.encoding]
    dtype = np.dtype(('>' if message.is_bigendian else '<') + kind)
    row = width * channels * dtype.itemsize
    data = np.frombuffer(message.data, np.uint8)
    if step < row or len(data) < step * (height - 1) + row:
        raise MessageError(
            'bad picture', f'{len(data)} B, rows of {step} B for {width} x {height} of {row} B'
        )
    rows = np.lib.stride_tricks.as_strided(data, (height, row), (step, 1), writeable=False)
    pixels = np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels)
    return _converted(pixels.astype(dtype.newbyteorder('='), copy=False), conversion)


def from_rgb(image: Rgb, stamp: Any, frame_id: str) -> Image:
    """Return uint8 [height, width, 3] RGB as sensor_msgs/Image; stamp: builtin_interfaces/Time."""
    message = Image()
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.height, message.width = image.shape[:2]
    message.encoding, message.step = 'rgb8', image.shape[1] * 3
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(image).data.cast('B'))
    message.data = data
    return message


def compressed_from_rgb(image: Rgb, stamp: Any, frame_id: str, quality: int) -> CompressedImage:
    """Return uint8 [height, width, 3] RGB as a JPEG in sensor_msgs/CompressedImage."""
    message = CompressedImage()
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.format = 'rgb8; jpeg compressed bgr8'
    bgr = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    _, file = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    message.data = array.array('B', file.tobytes())
    return message


def _converted(pixels: NDArray, conversion: int | None) -> Rgb:
    if pixels.dtype == np.float32:
        pixels = (np.nan_to_num(pixels).clip(0, 1) * 255).astype(np.uint8)
    if conversion is not None:
        try:
            pixels = cv2.cvtColor(pixels, conversion)
        except cv2.error as error:
            raise MessageError('bad picture', str(error).strip()) from error
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def _semi_planar(message: Any) -> Rgb:
    """A plane of brightness, then one of pairs of colour; rows of both may have padding."""
    height, width, step = message.height, message.width, message.step
    conversion, shrink = _SEMI_PLANAR[message.encoding]
    rows, row = height // shrink, step * 2 // shrink  # of the second plane
    used = 2 * width // shrink
    size = height * step + row * (rows - 1) + used
    data = np.frombuffer(message.data, np.uint8)
    odd = height % shrink or width % shrink
    if odd or step < width or len(data) < size:
        text = f'{message.encoding} of {width} x {height}, rows of {step} B, in {len(data)} B'
        raise MessageError('bad picture', text)
    brightness = data[: height * step].reshape(height, step)[:, :width]
    start = data[height * step : size]
    colour = np.lib.stride_tricks.as_strided(start, (rows, used), (row, 1), writeable=False)
    if shrink == 1:  # OpenCV knows only pictures with a quarter of the colour
        brightness = brightness.repeat(2, 0).repeat(2, 1)
    pixels = _converted(np.concatenate([brightness, colour]), conversion)
    return pixels if shrink == 2 else np.ascontiguousarray(pixels[::2, ::2])


def _decompressed(message: Any) -> Rgb:
    data = np.frombuffer(message.data, np.uint8)
    try:
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error as error:
        raise MessageError('bad picture', str(error).strip()) from error
    if bgr is None or max(bgr.shape) > _MAX_SIDE:
        raise MessageError('bad picture', f'{message.format!r}: OpenCV cannot read it')
    if _red_is_first(message.format):
        return np.ascontiguousarray(bgr)
    return np.ascontiguousarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def _red_is_first(format: str) -> bool:
    """Return whether a file was written with red where OpenCV has blue, by its format string.

    The rule of compressed_image_transport: "rgb8; png compressed bgr8" is the usual order, without
    "compressed bgr" it is the other one; a format without the part before ';' is the usual order.
    """
    encoding, semicolon, file = format.partition(';')
    return bool(semicolon) and encoding.strip() in _COLOURS and 'compressed bgr' not in file
