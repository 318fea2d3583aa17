"""The channel that COMtune trains through is the channel that packets go through."""

import numpy as np
import pytest
import torch

from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.split.codec import CodecSpec, fit_codec
from iot_fl_ros.split.comtune import EmulatedChannel, LossDraw, LossSettings

SHAPES = ((3, 5, 7), (11,))
BITS = (1, 2, 4, 8, 16, 32)


def features(count, seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, (count, 116)).astype(np.float32)


def codec(**spec):
    return fit_codec(CodecSpec(SHAPES, **spec), features(60, 1))


def parts_of(coder, z):
    return tuple(torch.from_numpy(part.copy()) for part in coder.parts(z))


def flat(parts):
    return torch.cat([part.flatten(1) for part in parts], dim=1)


@pytest.mark.parametrize('components', [0, 9])
@pytest.mark.parametrize(
    'fill', [{'fill': 'zero'}, {'fill': 'mean'}, {'fill': 'zero', 'compensate': False}], ids=str
)
@pytest.mark.parametrize('kind', ['channel', 'frame'])
@pytest.mark.parametrize('bits', BITS)
def test_it_does_what_encoding_losing_and_decoding_do(bits, kind, fill, components):
    coder = codec(bits=bits, range=kind, components=components, **fill)
    z = features(20)
    keep = torch.rand(20, coder.layout.packets, generator=torch.Generator().manual_seed(0)) < 0.5
    keep[0], keep[1] = True, False
    emulated = EmulatedChannel(coder)(parts_of(coder, z), keep)
    assert [tuple(part.shape) for part in emulated] == [(20, *shape) for shape in SHAPES]
    payload, ranges = coder.encode(z)
    arrived = keep.numpy()
    decoded = coder.decode(payload * arrived[..., None].astype(np.uint8), arrived, ranges)
    np.testing.assert_allclose(flat(emulated).numpy(), decoded, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize('bits', BITS)
def test_without_losses_it_only_quantises(bits):
    coder, z = codec(bits=bits), features(5)
    payload, ranges = coder.encode(z)
    decoded = coder.decode(payload, np.ones(payload.shape[:2], bool), ranges)
    channel = EmulatedChannel(coder)
    np.testing.assert_allclose(flat(channel(parts_of(coder, z))).numpy(), decoded, atol=1e-5)
    everything = torch.ones(5, coder.layout.packets, dtype=bool)
    same = zip(channel(parts_of(coder, z)), channel(parts_of(coder, z), everything), strict=True)
    assert all(torch.equal(a, b) for a, b in same)


def test_single_elements_can_be_lost_too():
    coder, z = codec(bits=32, compensate=False), features(5)
    keep = torch.rand(5, 116) < 0.5
    received = flat(EmulatedChannel(coder)(parts_of(coder, z), keep))
    assert torch.equal(received, torch.from_numpy(z) * keep)


@pytest.mark.parametrize('kind', ['channel', 'frame'])
@pytest.mark.parametrize('bits', BITS)
def test_gradients_go_straight_through_rounding_and_not_through_losses(bits, kind):
    coder = codec(bits=bits, range=kind, compensate=False)
    z = torch.from_numpy(features(4)).requires_grad_()
    keep = torch.rand(4, coder.layout.packets, generator=torch.Generator().manual_seed(1)) < 0.5
    sizes = [105, 11]
    parts = [p.reshape(4, *s) for p, s in zip(z.split(sizes, dim=1), SHAPES, strict=True)]
    flat(EmulatedChannel(coder)(tuple(parts), keep)).sum().backward()
    arrived = keep[:, coder.layout.packet_of]
    assert not z.grad[~arrived].any()
    inside = torch.ones_like(arrived)
    if coder.fixed_range:
        low, high = (torch.from_numpy(coder.constants[f'{end}_{bits}']) for end in ('low', 'high'))
        inside = (z > low) & (z < high)
        assert not z.grad[(z < low) | (z > high)].any()
    extremes = torch.zeros_like(arrived)
    if kind == 'frame':  # at the very ends torch shares the gradient between equals
        for part in z.detach().split(sizes, dim=1):
            extremes |= torch.isin(z, torch.cat([part.amin(1), part.amax(1)]))
    assert (z.grad[arrived & inside & ~extremes] == 1).all()
    assert (arrived & inside & ~extremes).sum() > 50


def test_losses_are_drawn_at_the_rates_asked_for():
    coder = codec()
    torch.manual_seed(0)
    always = LossDraw(coder, LossSettings(low=0.7, high=0.7), LinkSettings())(2_000)
    assert always.shape == (2_000, coder.layout.packets)
    assert always.float().mean() == pytest.approx(0.3, abs=0.01)
    elements = LossSettings(low=0.2, high=0.8, unit='element')
    shares = LossDraw(coder, elements, LinkSettings())(2_000)
    assert shares.shape == (2_000, 116)
    rates = 1 - shares.float().mean(dim=1)
    assert rates.mean() == pytest.approx(0.5, abs=0.02)
    assert rates.std() == pytest.approx(0.6 / 12**0.5, abs=0.02)


def test_a_link_with_losses_of_its_own_replaces_the_random_rates():
    coder = codec()
    link = LinkSettings(loss=0.5, burst=4.0)
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        draw = LossDraw(coder, LossSettings(), link)
        draws.append((draw(3_000), draw(3_000)))
    drawn, later = draws[0]
    assert torch.equal(drawn, draws[1][0])
    assert torch.equal(later, draws[1][1])
    assert not torch.equal(drawn, later)
    assert drawn.float().mean() == pytest.approx(0.5, abs=0.02)
    same = (drawn[:, 1:] == drawn[:, :-1]).float().mean()
    assert same == pytest.approx(0.75, abs=0.02)
