"""A box as a mesh whose faces show a texture as Gazebo's boxes do.

On each side face the picture is upright and not mirrored for who stands before it, with z up.
MuJoCo's own boxes show a 2D texture on two faces only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np

Rows = list[Any]

# For each face its outward normal and, seen from outside, the direction to the right.
_FACES = (
    ((1, 0, 0), (0, 1, 0)),
    ((-1, 0, 0), (0, -1, 0)),
    ((0, 1, 0), (-1, 0, 0)),
    ((0, -1, 0), (1, 0, 0)),
    ((0, 0, 1), (0, -1, 0)),
    ((0, 0, -1), (0, 1, 0)),
)
# Corners of a face: to the right, up, and where in the picture (0, 0 is its top left).
_CORNERS = ((-1, -1, 0, 1), (1, -1, 1, 1), (1, 1, 1, 0), (-1, 1, 0, 0))


def add_box_mesh(asset: Element, name: str, size: Sequence[float]) -> None:
    """Add a mesh asset for a box of these sides, m."""
    vertices: Rows = []
    normals: Rows = []
    coordinates: Rows = []
    triangles: Rows = []
    for normal, right in np.array(_FACES, float):
        up = np.cross(normal, right)
        first = len(vertices)
        for to_right, to_up, u, v in _CORNERS:
            vertices.append((normal + to_right * right + to_up * up) * np.array(size) / 2)
            normals.append(normal)
            coordinates.append((u, v))
        triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    SubElement(
        asset, 'mesh', name=name, vertex=_text(vertices), normal=_text(normals),
        texcoord=_text(coordinates), face=_text(triangles),
    )  # fmt: skip


def _text(rows: Rows) -> str:
    return ' '.join(f'{value:g}' for row in rows for value in row)
