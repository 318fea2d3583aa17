"""A bundle: a cut model with its codec and all that head and tail have to agree on, in a folder.

`bundle.json` says how to build it, `weights.safetensors` holds its arrays: `head.*`, `tail.*` and
`codec.*`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.run_folder import make_folder
from iot_fl_ros.core.store import write_durably
from iot_fl_ros.core.tensors import digest_of
from iot_fl_ros.data.pictures import ImageInput
from iot_fl_ros.models.memory_format import use_channels_last
from iot_fl_ros.models.registry import build_model
from iot_fl_ros.split.codec import CodecSpec, FeatureCodec
from iot_fl_ros.split.cut import Cut, cut, with_bottleneck

FORMAT = 1
TASKS = ('classification', 'detection')
_JSON, _WEIGHTS = 'bundle.json', 'weights.safetensors'
_UNUSABLE = (KeyError, TypeError, ValueError, RuntimeError, ConfigError, SafetensorError)
_DESCRIBED = ('architecture', 'input', 'task', 'class_names', 'codec')


@dataclass(frozen=True)
class Architecture:
    """Recipe of the cut model: a registered model (or `module:function`) and where to cut.

    bottleneck: channels that cross instead of those of the split point; 0 = none.
    """

    model: str
    classes: int
    split_point: str
    bottleneck: int = 0

    def build(self, input_shape: tuple[int, ...], seed: int = 0) -> Cut:
        """Return the cut model in evaluation mode, its weights drawn from `seed`."""
        parts = cut(build_model(self.model, input_shape, self.classes, seed), self.split_point)
        if self.bottleneck:
            parts.head.eval()
            with torch.no_grad():
                channels = parts.features(torch.zeros(1, *input_shape))[0].shape[1]
            parts = with_bottleneck(parts, channels, self.bottleneck)
        parts.head.eval()
        parts.tail.eval()
        return parts


@dataclass(frozen=True)
class Bundle:
    """Contents of a bundle's folder. tuning: how it was made, for people."""

    name: str
    architecture: Architecture
    input: ImageInput
    task: str
    class_names: tuple[str, ...]
    cut: Cut
    codec: FeatureCodec
    tuning: Mapping[str, Any] = field(default_factory=dict)
    digest: bytes = b''

    def with_bits(self, bits: int) -> Bundle:
        """Return the same bundle whose codec uses other bits; the digest stays the weights'."""
        return replace(self, codec=self.codec.with_bits(bits))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input of the head: channels, height, width."""
        return self.input.shape


def feature_shapes(parts: Cut, input_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of what crosses the cut, without the batch."""
    with torch.no_grad():
        features = parts.features(torch.zeros(1, *input_shape))
    return tuple(tuple(f.shape[1:]) for f in features)


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Write a bundle, weights first; return it with its digest."""
    arrays = {
        f'{part}.{name}': np.ascontiguousarray(tensor.detach().numpy())
        for part, module in (('head', bundle.cut.head), ('tail', bundle.cut.tail))
        for name, tensor in module.state_dict().items()
    }
    arrays |= {f'codec.{name}': array for name, array in bundle.codec.constants.items()}
    content = save(arrays)
    described = {
        'architecture': asdict(bundle.architecture),
        'input': bundle.input.to_dict(),
        'task': bundle.task,
        'class_names': list(bundle.class_names),
        'codec': asdict(bundle.codec.spec),
    }
    digest = _digest(described, content)
    document = {'format': FORMAT, 'digest': digest.hex(), **described, 'tuning': bundle.tuning}
    make_folder(folder)
    write_durably(folder / _WEIGHTS, content)
    write_durably(folder / _JSON, json.dumps(document, indent=1).encode())
    return replace(bundle, name=folder.name, digest=digest)


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle; DataError names what is missing, damaged or of another format."""
    try:
        document = json.loads((folder / _JSON).read_text())
        content = (folder / _WEIGHTS).read_bytes()
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f'{folder} is not a bundle ({error}): make one with `iot-fl comtune` or '
            '`iot-fl bundle`'
        ) from error
    if not isinstance(document, dict) or document.get('format') != FORMAT:
        raise DataError(f'{folder / _JSON} is not of format {FORMAT}: make the bundle again')
    try:
        described = {key: document[key] for key in _DESCRIBED}
        digest = _digest(described, content)
        if digest.hex() != document['digest']:
            raise DataError(f'{folder} is damaged: its digest does not fit. Make it again')
        return _from_document(folder.name, document, load(content), digest)
    except _UNUSABLE as error:
        raise DataError(f'{folder} cannot be used: {error!r}. Make the bundle again') from error


def _from_document(
    name: str, document: Mapping[str, Any], arrays: Mapping[str, NDArray], digest: bytes
) -> Bundle:
    architecture = Architecture(**document['architecture'])
    image_input = ImageInput.from_dict(document['input'])
    if document['task'] not in TASKS:
        raise ConfigError(f'task is {document["task"]!r}: {" or ".join(TASKS)} is needed')
    parts = architecture.build(image_input.shape)
    for part, module in (('head', parts.head), ('tail', parts.tail)):
        state = _part(arrays, part)
        module.load_state_dict({n: torch.from_numpy(array.copy()) for n, array in state.items()})
        use_channels_last(module)
        module.requires_grad_(False)
    codec = document['codec']
    shapes = tuple(tuple(int(n) for n in shape) for shape in codec['shapes'])
    spec = CodecSpec(**{**codec, 'shapes': shapes})
    return Bundle(
        name, architecture, image_input, document['task'],
        tuple(map(str, document['class_names'])), parts,
        FeatureCodec(spec, _part(arrays, 'codec')), document.get('tuning', {}), digest,
    )  # fmt: skip


def _part(arrays: Mapping[str, NDArray], part: str) -> dict[str, NDArray]:
    """Return the arrays of head, tail or codec by their names there."""
    prefix = f'{part}.'
    return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}


def _digest(described: Mapping[str, Any], content: bytes) -> bytes:
    """Return the digest of everything that decides what features mean."""
    canonical = json.dumps(described, sort_keys=True).encode()
    return digest_of(digest_of(canonical) + digest_of(content))
