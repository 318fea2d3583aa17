import dataclasses
import math

import pytest
from message_examples import (
    CHUNK,
    INFERENCE,
    INFO,
    PLAN,
    REQUEST,
    SPLIT_INFO,
    SPLIT_STATUS,
    STATUS,
    TOKEN_CLAIM,
    TOKEN_OFFER,
    TRAM_STATUS,
    peer_status,
)

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.fields import SourceHeader


@pytest.mark.parametrize(
    ('message', 'change', 'reason'),
    [
        (STATUS, {'accuracy': 1.5}, 'out of range'),
        (STATUS, {'train_seconds': math.nan}, 'not finite'),
        (STATUS, {'tags': ('x',) * 65}, 'too long'),
        (STATUS, {'loss': math.inf}, 'not finite'),
        (STATUS, {'state': 99}, 'out of range'),
        (STATUS, {'robot_id': 'aggregator'}, 'bad robot id'),
        (STATUS, {'robot_id': 'x' * 300}, 'bad text'),
        (STATUS, {'round': -1}, 'out of range'),
        (STATUS, {'update_digest': b'short'}, 'bad digest'),
        (PLAN, {'participants': ('r2', 'r1')}, 'not sorted'),
        (PLAN, {'time_left': math.nan}, 'not finite'),
        (INFO, {'rounds': 0}, 'incomplete'),
        (INFO, {'heartbeat_period': 0.0}, 'out of range'),
        (INFO, {'open_set_size': 0}, 'bad digest'),
        (CHUNK, {'dtype_bits': (7,)}, 'bad dtype'),
        (CHUNK, {'dtype_lanes': (2,)}, 'bad dtype'),
        (CHUNK, {'dims': (2, 4)}, 'bad length'),
        (CHUNK, {'dims': (6,)}, 'bad shape'),
        (CHUNK, {'ranks': (2, 2)}, 'bad shape'),
        (CHUNK, {'total_bytes': 1 << 60}, 'bad length'),
        (CHUNK, {'data': b'12345'}, 'bad length'),
        (CHUNK, {'chunk_index': 1}, 'bad length'),
        (CHUNK, {'chunk_count': 2}, 'bad length'),
        (CHUNK, {'chunk_bytes': 0}, 'bad length'),
        (REQUEST, {'missing': tuple(range(70_000))}, 'too long'),
        (SPLIT_INFO, {'robot_id': 'a/b'}, 'bad robot id'),
        (SPLIT_INFO, {'robot_id': ''}, 'bad robot id'),
        (SPLIT_INFO, {'bundle': '../demo'}, 'bad bundle'),
        (SPLIT_INFO, {'bundle': '..'}, 'bad bundle'),
        (SPLIT_INFO, {'bundle_digest': b'short'}, 'bad digest'),
        (SPLIT_INFO, {'layout_digest': b''}, 'bad digest'),
        (SPLIT_INFO, {'deadline': 0.0}, 'out of range'),
        (SPLIT_INFO, {'deadline': 61.0}, 'out of range'),
        (SPLIT_INFO, {'deadline': math.nan}, 'not finite'),
        (SPLIT_INFO, {'bits': 256}, 'out of range'),
        (SPLIT_STATUS, {'state': 3}, 'out of range'),
        (SPLIT_STATUS, {'robot_id': '1robot'}, 'bad robot id'),
        (INFERENCE, {'header': SourceHeader(-1, 'camera')}, 'out of range'),
        (INFERENCE, {'header': SourceHeader(1 << 62, 'camera')}, 'out of range'),
        (INFERENCE, {'header': SourceHeader(1, 'x' * 70_000)}, 'bad text'),
        (INFERENCE, {'scores': (0.5,)}, 'bad length'),
        (INFERENCE, {'scores': (0.5, math.nan)}, 'not finite'),
        (INFERENCE, {'class_names': ('a',)}, 'bad length'),
        (INFERENCE, {'boxes': (0.5,) * 4}, 'bad length'),
        (INFERENCE, {'received': math.inf}, 'not finite'),
        (peer_status('r1'), {'neighbours': ('r3', 'r2')}, 'not sorted'),
        (peer_status('r1'), {'neighbours': ('r1', 'r2')}, 'not sorted'),
        (peer_status('r1'), {'neighbours': ('r2', 'r2')}, 'not sorted'),
        (peer_status('r1'), {'accuracy': 1.5}, 'out of range'),
        (TRAM_STATUS, {'fences': (0, 0)}, 'bad length'),
        (TRAM_STATUS, {'token_states': ()}, 'bad length'),
        (TRAM_STATUS, {'token_states': (99,)}, 'out of range'),
        (TRAM_STATUS, {'link_rate': 0.0}, 'out of range'),
        (TRAM_STATUS, {'joules': math.nan}, 'not finite'),
        (TOKEN_OFFER, {'class_usage': (1 << 50, 0)}, 'out of range'),
        (TOKEN_OFFER, {'fence': 0}, 'out of range'),
        (TOKEN_OFFER, {'shares': (3,)}, 'bad length'),
        (TOKEN_OFFER, {'route': ('r1', 'r1')}, 'bad length'),
        (TOKEN_OFFER, {'receiver_id': 'r3'}, 'bad route'),
        (TOKEN_OFFER, {'position': 2}, 'bad route'),
        (TOKEN_CLAIM, {'base': 5}, 'out of range'),
        (TOKEN_CLAIM, {'phase': 9}, 'out of range'),
    ],
)
def test_a_bad_field_is_refused_at_birth(message, change, reason):
    with pytest.raises(MessageError) as error:
        dataclasses.replace(message, **change)
    assert error.value.reason == reason


def test_specs_follow_names_types_and_shapes():
    spec = CHUNK.specs[0]
    assert (spec.name, spec.dtype, spec.shape, spec.nbytes) == ('labels', 'uint8', (2, 3), 6)
