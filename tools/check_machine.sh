#!/bin/sh
# Say plainly what a machine lacks before anything is installed. Usage: check_machine.sh PYTHON
missing=''
python=${1:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10) or sys.version_info >= (3, 14))'
then
  missing="$missing\n  Python 3.10 to 3.13 ($python is not): apt install python3, or make PYTHON=python3.12"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null
then
  missing="$missing\n  Python's venv module: apt install python3-venv"
fi
"$python" -c 'import sysconfig, pathlib, sys
sys.exit(not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").is_file())' 2>/dev/null ||
  missing="$missing\n  Python's C headers: apt install python3-dev"
command -v cmake >/dev/null || missing="$missing\n  CMake: apt install cmake"
command -v c++ >/dev/null || missing="$missing\n  a C++ compiler: apt install g++"
command -v cc >/dev/null || missing="$missing\n  a C compiler: apt install gcc"
[ "$(uname -m)" = x86_64 ] ||
  missing="$missing\n  an x86-64 machine: the ROS 2 wheels exist for no other; use colcon with an installed ROS 2"
if [ -n "$missing" ]
then
  printf "This machine lacks:$missing\n" >&2
  exit 1
fi
