"""Writes the world file from the plan, at build time: `-m iot_fl_ros.world.world_file FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from iot_fl_ros.world.plan import (
    BOARD,
    BOARD_CENTRE,
    BOARD_THICKNESS,
    HALF,
    crates,
    named_places,
    walls,
)

HEAD = """\
<?xml version="1.0"?>
<!-- Written by iot_fl_ros.world.world_file. The pictures of the boards are not in here:
     iot_fl_ros.world.textures.prepare_world() makes a folder with this file and its textures. -->
<sdf version="1.9">
  <world name="fleet">
    <physics name="steps" type="ignored">
      <max_step_size>0.004</max_step_size>
      <real_time_factor>1.0</real_time_factor>
    </physics>
    <plugin filename="gz-sim-physics-system" name="gz::sim::systems::Physics"/>
    <plugin filename="gz-sim-user-commands-system" name="gz::sim::systems::UserCommands"/>
    <plugin filename="gz-sim-scene-broadcaster-system" name="gz::sim::systems::SceneBroadcaster"/>
    <plugin filename="gz-sim-sensors-system" name="gz::sim::systems::Sensors">
      <render_engine>ogre2</render_engine>
    </plugin>
    <gravity>0 0 -9.81</gravity>
    <scene>
      <ambient>0.5 0.5 0.5 1</ambient>
      <background>0.75 0.8 0.85 1</background>
      <shadows>false</shadows>
    </scene>
"""
# Four lamps, so that walls of all directions are equally bright.
LIGHT = """\
    <light name="lamp_{name}" type="directional">
      <cast_shadows>false</cast_shadows>
      <pose>0 0 5 0 0 0</pose>
      <diffuse>0.4 0.4 0.4 1</diffuse>
      <specular>0 0 0 1</specular>
      <direction>{x} {y} -0.8</direction>
    </light>
"""
FLOOR = """\
    <model name="floor">
      <static>true</static>
      <link name="link">
        <collision name="collision">
          <geometry><plane><normal>0 0 1</normal><size>12 12</size></plane></geometry>
        </collision>
        <visual name="visual">
          <geometry><plane><normal>0 0 1</normal><size>12 12</size></plane></geometry>
          <material>
            <ambient>0.42 0.42 0.45 1</ambient>
            <diffuse>0.42 0.42 0.45 1</diffuse>
          </material>
        </visual>
      </link>
    </model>
"""
BLOCK = """\
    <model name="{name}">
      <static>true</static>
      <pose>{pose}</pose>
      <link name="link">
        <collision name="collision"><geometry><box><size>{size}</size></box></geometry></collision>
        <visual name="visual">
          <geometry><box><size>{size}</size></box></geometry>
          <material><ambient>{colour}</ambient><diffuse>{colour}</diffuse></material>
        </visual>
      </link>
    </model>
"""
# A board faces along its +x axis, the face that shows its texture the right way up.
MODEL = """\
    <model name="{name}">
      <static>true</static>
      <pose>{pose}</pose>
      <link name="link">
        <visual name="visual">
          <cast_shadows>false</cast_shadows>
          <geometry><box><size>{size}</size></box></geometry>
          <material>
            <ambient>1 1 1 1</ambient>
            <diffuse>1 1 1 1</diffuse>
            <specular>0 0 0 1</specular>
            <pbr>
              <metal>
                <albedo_map>textures/{name}.png</albedo_map>
                <metalness>0</metalness>
                <roughness>1</roughness>
              </metal>
            </pbr>
          </material>
        </visual>
      </link>
    </model>
"""
TAIL = '  </world>\n</sdf>\n'
WALL_COLOUR, CRATE_COLOUR = '0.75 0.72 0.66 1', '0.55 0.42 0.28 1'


def world_text() -> str:
    """Return the SDFormat text of the hall."""
    places = (('ne', -1, -1), ('nw', 1, -1), ('sw', 1, 1), ('se', -1, 1))
    lights = (LIGHT.format(name=name, x=x, y=y) for name, x, y in places)
    return ''.join((HEAD, *lights, FLOOR, *_blocks(), *_boards(), TAIL))


def _blocks() -> Iterator[str]:
    for colour, blocks in ((WALL_COLOUR, walls()), (CRATE_COLOUR, crates())):
        for block in blocks:
            pose = _numbers(block.x, block.y, block.height / 2, 0, 0, 0)
            size = _numbers(block.size_x, block.size_y, block.height)
            yield BLOCK.format(name=block.name, pose=pose, size=size, colour=colour)


def _boards() -> Iterator[str]:
    size = _numbers(BOARD_THICKNESS, BOARD, BOARD)
    for name, place in named_places():
        if max(abs(place.x), abs(place.y)) > HALF:
            raise ValueError(f'{name} is outside the hall')
        pose = _numbers(place.x, place.y, BOARD_CENTRE, 0, 0, place.yaw)
        yield MODEL.format(name=name, pose=pose, size=size)


def _numbers(*values: float) -> str:
    return ' '.join(f'{round(value, 9):.9g}' for value in values)


if __name__ == '__main__':
    Path(sys.argv[1]).write_text(world_text())
