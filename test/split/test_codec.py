"""The codec: what arrives is what was sent, the rest is filled."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.split.codec import CodecSpec, FeatureCodec, fit_codec
from iot_fl_ros.split.quantiser import LEVEL_BITS, Affine, best_range

BITS = (*LEVEL_BITS, 16, 32)


SHAPES = ((3, 5, 7), (11,))  # 105 + 11 elements


def features(count, shapes=SHAPES, seed=0, relu=False):
    elements = sum(int(np.prod(shape)) for shape in shapes)
    z = np.random.default_rng(seed).normal(1.0, 2.0, (count, elements)).astype(np.float32)
    return np.maximum(z, 0) if relu else z


def codec(shapes=SHAPES, frames=60, relu=False, **spec):
    return fit_codec(CodecSpec(shapes, **spec), features(frames, shapes, 1, relu))


def everything(coder, z):
    """Return what is decoded when nothing is lost."""
    payload, ranges = coder.encode(z)
    return coder.decode(payload, np.ones(payload.shape[:-1], bool), ranges)


@pytest.mark.parametrize('bits', LEVEL_BITS)
def test_the_quantiser_errs_by_at_most_half_a_step(bits):
    values = np.linspace(-3, 5, 1_001, dtype=np.float32)
    affine = Affine(np.float32(-3), np.float32(5), bits)
    step = 8 / (2**bits - 1)
    assert abs(affine.dequantise(affine.quantise(values)) - values).max() <= step / 2 * 1.0001
    levels = affine.quantise(np.array([-100, -3, 5, 100, 1e6, -1e6], np.float32))
    assert levels.tolist() == [0, 0, *[2**bits - 1] * 3, 0]


def test_what_is_out_of_all_bounds_becomes_the_lowest_level():
    values = np.array([1e12, np.inf, np.nan, -1e12, -np.inf], np.float32)
    assert Affine(np.float32(-3), np.float32(5), 4).quantise(values).tolist() == [0] * 5


@pytest.mark.parametrize('count', [1, 2, 3, 4, 5])
def test_a_frame_may_be_a_few_numbers(count):
    coder, z = codec(((count,),), bits=8), features(1, ((count,),), seed=5)[0]
    np.testing.assert_allclose(everything(coder, z), z, atol=1)


@pytest.mark.parametrize('bits', LEVEL_BITS)
def test_the_best_range_errs_less_than_the_whole_range(bits):
    values = np.random.default_rng(0).laplace(size=20_000).astype(np.float32)
    errors = []
    for low, high in (best_range(values, bits), (values.min(), values.max())):
        affine = Affine(low, high, bits)
        errors.append(np.mean((affine.dequantise(affine.quantise(values)) - values) ** 2))
    assert errors[0] < (0.9 if bits < 8 else 1.001) * errors[1]
    assert best_range(np.maximum(values, 0), bits)[0] == 0


@settings(max_examples=60)
@given(
    st.sampled_from(BITS),
    st.sampled_from(('channel', 'frame')),
    st.sampled_from(('interleaved', 'sequential')),
    st.lists(
        st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple), min_size=1, max_size=3
    ).map(tuple),
    st.integers(1, 40),
)
def test_a_complete_frame_is_decoded_to_its_quantised_values(bits, kind, order, shapes, packets):
    coder = codec(shapes, bits=bits, range=kind, order=order, min_packets=packets)
    z = features(1, shapes)[0]
    assume(len(z) > 3)  # see test_a_frame_may_be_a_few_numbers
    again = everything(coder, z)
    if bits == 32:
        assert np.array_equal(again, z)
    elif bits == 16:
        assert np.array_equal(again, z.astype(np.float16).astype(np.float32))
    elif kind == 'channel':
        low, high = coder.constants[f'low_{bits}'], coder.constants[f'high_{bits}']
        step = np.maximum(high - low, 1e-12) / (2**bits - 1)
        levels = np.clip(np.rint((z - low) / step), 0, 2**bits - 1)
        close = np.isclose(again, low + levels * step, atol=1e-4)
        # Halfway between two levels float32 may go either way.
        assert (close | (abs((z - low) / step % 1 - 0.5) < 1e-3)).all()
    else:
        for part, again_part in zip(coder.parts(z), coder.parts(again), strict=True):
            step = np.ptp(part) / (2**bits - 1)
            assert abs(part - again_part).max() <= step / 2 + 1e-5
    # Quantised once is quantised for good.
    if bits not in LEVEL_BITS or kind == 'channel':
        np.testing.assert_allclose(everything(coder, again), again, atol=1e-5)


@pytest.mark.parametrize('fill', ['zero', 'mean'])
@pytest.mark.parametrize('kind', ['channel', 'frame'])
@pytest.mark.parametrize('bits', BITS)
def test_every_packet_is_decodable_alone(bits, kind, fill):
    coder = codec(bits=bits, range=kind, fill=fill, compensate=False, min_packets=5)
    z = features(1)[0]
    payload, ranges = coder.encode(z)
    whole = everything(coder, z)
    for packet in range(coder.layout.packets):
        arrived = np.arange(coder.layout.packets) == packet
        decoded = coder.decode(np.where(arrived[:, None], payload, 0), arrived, ranges)
        inside = coder.layout.packet_of == packet
        assert np.array_equal(decoded[inside], whole[inside])
        expected = 0 if fill == 'zero' else coder.constants['mean'][~inside]
        np.testing.assert_allclose(decoded[~inside], np.broadcast_to(expected, (~inside).sum()))


def test_zeros_come_with_compensation_and_are_right_on_average():
    coder = codec(((128,),), bits=32, min_packets=16)
    z = features(1, ((128,),), relu=True)[0] + 1
    payload, ranges = coder.encode(z)
    arrived = np.random.default_rng(0).random((10_000, 16)) >= 0.4
    mean = np.zeros(128)
    for masks in np.split(arrived, 10):
        payloads = payload * masks[..., None].astype(np.uint8)
        mean += coder.decode(payloads, masks, np.repeat(ranges[None], 1_000, 0)).mean(axis=0) / 10
    assert abs(mean.sum() / z.sum() - 1) < 0.01
    assert abs(mean / z - 1).max() < 0.04  # 5 standard deviations
    one = coder.decode(payload * arrived[0][:, None], arrived[0], ranges)
    expected = z * arrived[0][coder.layout.packet_of] * 16 / arrived[0].sum()
    np.testing.assert_allclose(one, expected, rtol=1e-6)


@pytest.mark.parametrize('spec', [{}, {'fill': 'mean'}, {'components': 9}, {'range': 'frame'}])
def test_when_nothing_arrives_there_is_still_an_answer(spec):
    coder = codec(bits=8, **spec)
    layout = coder.layout
    nothing = np.zeros((layout.packets, layout.packet_bytes), np.uint8)
    ranges = np.zeros(coder.range_count, np.float32)
    decoded = coder.decode(nothing, np.zeros(layout.packets, bool), ranges)
    wanted = {'fill': 'mean', 'components': 'pca_mean'}
    name = next((constant for key, constant in wanted.items() if key in spec), None)
    expected = coder.constants[name] if name else np.zeros(116)
    np.testing.assert_allclose(decoded, expected, atol=1e-6)


def test_principal_components_reproduce_what_they_span():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(80, 6)).astype(np.float32)
    z = hidden @ rng.normal(size=(6, 116)).astype(np.float32) + 3
    coder = fit_codec(CodecSpec(SHAPES, bits=32, components=6), z)
    np.testing.assert_allclose(everything(coder, z), z, atol=1e-3)
    errors = []
    for components in (1, 3, 5):
        fewer = fit_codec(CodecSpec(SHAPES, bits=32, components=components), z)
        assert fewer.layout.elements == components
        errors.append(abs(everything(fewer, z) - z).mean())
    assert errors[0] > errors[1] > errors[2] > 0.01
    with pytest.raises(ConfigError, match='fit on more frames'):
        fit_codec(CodecSpec(SHAPES, components=90), z)


def test_each_tensor_has_its_own_range_in_every_frame():
    coder = codec(bits=8, range='frame')
    z = features(2)
    z[1] *= 100
    z[:, 105:] += 1_000
    _, ranges = coder.encode(z)
    expected = [[f[:105].min(), f[:105].max(), f[105:].min(), f[105:].max()] for f in z]
    assert np.array_equal(ranges, np.array(expected, np.float32))
    again = everything(coder, z)
    steps = (ranges[:, 1::2] - ranges[:, 0::2]) / 255
    for part, other, step in zip(coder.parts(z), coder.parts(again), steps.T, strict=True):
        assert (abs(part - other).reshape(2, -1).max(axis=1) <= step * 0.501).all()


@pytest.mark.parametrize('components', [0, 9])
@pytest.mark.parametrize('kind', ['channel', 'frame'])
@pytest.mark.parametrize('bits', BITS)
def test_a_batch_gives_what_single_frames_give(bits, kind, components):
    coder = codec(bits=bits, range=kind, components=components)
    z = features(4)
    payload, ranges = coder.encode(z)
    arrived = np.random.default_rng(0).random(payload.shape[:2]) < 0.6
    together = coder.decode(payload * arrived[..., None].astype(np.uint8), arrived, ranges)
    for n in range(4):
        one, its_ranges = coder.encode(z[n])
        np.testing.assert_allclose(its_ranges, ranges[n], rtol=1e-4)
        if not components:
            assert np.array_equal(one, payload[n])
        kept = payload[n] * arrived[n][:, None].astype(np.uint8)
        alone = coder.decode(kept, arrived[n], ranges[n])
        np.testing.assert_allclose(alone, together[n], atol=1e-4)


@pytest.mark.parametrize('components', [0, 9])
@pytest.mark.parametrize(
    ('bits', 'kind'),
    [
        *((bits, 'channel') for bits in BITS), *((bits, 'frame') for bits in BITS),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_nothing_that_is_not_finite_comes_out(bits, kind, components):
    coder = codec(bits=bits, range=kind, components=components)
    z = features(3)
    z[0, 3], z[1, 7], z[2, 110] = np.nan, np.inf, -np.inf
    payload, ranges = coder.encode(z)
    assert np.isfinite(ranges).all()
    arrived = np.ones(payload.shape[:-1], bool)
    assert np.isfinite(coder.decode(payload, arrived, ranges)).all()
    arrived[:, ::2] = False
    assert np.isfinite(coder.decode(payload, arrived, ranges)).all()


@pytest.mark.parametrize('bits', BITS)
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_whatever_strangers_send_is_decoded_to_finite_numbers(bits):
    coder = codec(bits=bits, range='frame')
    rng = np.random.default_rng(0)
    for _ in range(50):
        payload = rng.integers(0, 256, (coder.layout.packets, coder.layout.packet_bytes))
        ranges = rng.choice([-3e38, 3e38, 0, 1], coder.range_count).astype(np.float32)
        arrived = rng.random(len(payload)) < 0.8
        decoded = coder.decode(payload.astype(np.uint8), arrived, ranges)
        assert np.isfinite(decoded).all()


@pytest.mark.parametrize('kind', ['channel', 'frame'])
def test_bits_can_be_changed(kind):
    coder, z = codec(bits=2, range=kind), features(1)[0]
    errors = []
    for bits in BITS:
        other = coder.with_bits(bits)
        assert other.spec.bits == bits
        direct = codec(bits=bits, range=kind)
        assert np.array_equal(everything(other, z), everything(direct, z))
        errors.append(abs(everything(other, z) - z).mean())
    assert errors == sorted(errors, reverse=True)
    assert coder.spec.bits == 2
    with pytest.raises(ConfigError):
        coder.with_bits(3)


@pytest.mark.parametrize(
    'change',
    [
        {'shapes': ()}, {'shapes': ((0,),)}, {'shapes': ((1 << 13, 1 << 13),)}, {'bits': 3},
        {'bits': 64}, {'range': 'global'}, {'fill': 'noise'}, {'order': 'random'},
        {'components': -1}, {'components': 117}, {'min_packets': 1 << 40, 'shapes': ((1 << 20,),)},
        {'shapes': ((-2, -2),)}, {'shapes': ((0, 3), (4,))},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_specs_are_refused(change):
    with pytest.raises(ConfigError):
        assert CodecSpec(**{'shapes': SHAPES, **change}).layout


@pytest.mark.parametrize('name', ['mean', 'low_2', 'high_2', 'pca_mean', 'pca_basis'])
def test_missing_and_misshapen_constants_are_refused(name):
    coder = codec(bits=2, components=4)
    without = {key: value for key, value in coder.constants.items() if key != name}
    for constants in (without, {**without, name: np.zeros(3, np.float32)}):
        with pytest.raises(ConfigError, match=name):
            FeatureCodec(coder.spec, constants)
