"""A picture of the whole hall from above, and where points of the floor are in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iot_fl_ros.world.plan import HALF, WALL

_MARGIN = 0.1  # m around the outer walls
_HEIGHT = 20.0  # of the camera, m


@dataclass(frozen=True)
class TopView:
    """A view from above of this size in pixels: x to the right, y up, the hall in the middle."""

    width: int
    height: int

    @property
    def pixels_per_metre(self) -> float:
        """Scale, the same in both directions."""
        return min(self.width, self.height) / (2 * (HALF + WALL + _MARGIN))

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Return column and row of a point of the world, from the picture's top left corner."""
        scale = self.pixels_per_metre
        return self.width / 2 + x * scale, self.height / 2 - y * scale

    def aim(self, cameras: Any) -> None:
        """Let the OpenGL cameras of a MuJoCo scene (one for each eye) look down."""
        half_x, half_y = (s / 2 / self.pixels_per_metre for s in (self.width, self.height))
        for camera in cameras:
            camera.pos[:] = 0, 0, _HEIGHT
            camera.forward[:] = 0, 0, -1
            camera.up[:] = 0, 1, 0
            camera.orthographic = 1
            camera.frustum_center, camera.frustum_width = 0.0, half_x
            camera.frustum_bottom, camera.frustum_top = -half_y, half_y
            camera.frustum_near, camera.frustum_far = 1.0, 2 * _HEIGHT
