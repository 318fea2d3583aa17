# `make demo` and `make test` do all their set-up by themselves. DISTRO=kilted chooses ROS 2 Kilted.
DISTRO ?= jazzy
PYTHON ?= python3
VENV := .venv-$(DISTRO)
BIN := $(VENV)/bin
SOURCES := $(shell find iot_fl_ros msg srv launch config worlds tools/build_backend.py -type f \
             -not -path '*/__pycache__/*') CMakeLists.txt package.xml setup.py pyproject.toml
PYTEST = ROS_PYTHON_CHECK_FIELDS=1 PYTHONSAFEPATH=1 $(BIN)/pytest
export ROS_DISTRO = $(DISTRO)

.PHONY: demo demo-split demo-mesh demo-tram demo-sim test bench lint setup weights docs clean

demo: setup
	$(BIN)/iot-fl demo

demo-split: setup
	$(BIN)/iot-fl demo-split

demo-mesh: setup
	$(BIN)/iot-fl demo-mesh

demo-tram: setup
	$(BIN)/iot-fl demo-tram

demo-sim: setup
	$(BIN)/iot-fl demo-sim

test: setup lint
	$(PYTEST) -n 2 --dist worksteal -m 'not slow'

bench: setup
	$(PYTEST) -m slow
	$(BIN)/python bench/round.py
	$(BIN)/python bench/labels.py
	$(BIN)/python bench/own_pictures.py
	$(BIN)/python bench/simulate.py
	$(BIN)/python bench/discovery.py
	-$(BIN)/python bench/traffic.py  # needs root and iptables
	$(BIN)/python bench/split.py
	$(BIN)/python bench/split_pictures.py --output runs/split-pictures
	$(BIN)/python bench/bag.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

# For tests of trained models, which skip without their weights.
weights: setup
	$(BIN)/iot-fl models --fetch

docs: setup
	$(BIN)/python tools/generate_docs.py

setup: $(VENV)/installed

$(VENV)/ready: requirements/ros-$(DISTRO).txt requirements/runtime.txt requirements/sim.txt requirements/dev.txt tools/check_machine.sh
	@sh tools/check_machine.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=23' 'setuptools>=64,<80' wheel
	@echo 'installing torch, ROS 2 $(DISTRO) wheels and tools into $(VENV) (a few minutes the first time)'
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet -r requirements/ros-$(DISTRO).txt -r requirements/runtime.txt \
	  -r requirements/sim.txt -r requirements/dev.txt
	@touch $@

# Without isolation, and with a build folder that stays: a second build takes seconds.
$(VENV)/installed: $(VENV)/ready $(SOURCES)
	@echo 'building and installing the package (messages are compiled the first time)'
	IOT_FL_ROS_BUILD_DIR=$(CURDIR)/$(VENV)/build $(BIN)/pip install --quiet \
	  --no-build-isolation --no-deps --force-reinstall .
	@touch $@

clean:
	rm -rf .venv-* build install log dist runs *.egg-info
