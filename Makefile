# make demo    stylize the sample clip
# make test    check code style and types, run all tests
# make docs    build the pages of docs/ into site/
# All make .venv first. Choose with: PYTHON=python3.12  CLIP=my.mp4  OUT=out.mp4  PIP_ARGS="…"
# make features PHOTOS=folder TEACHER=mobilenet_v1.safetensors SECOND=vgg16.safetensors    retrain the feature network
# make base PHOTOS=folder                                         then the base of all styles
# make styles PAINTINGS=folder PHOTOS=folder                      then the styles, each from its recipe

PYTHON ?= python3
CLIP ?= samples/harbour.mp4
OUT ?= demo.mp4
PIP_ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(PIP_ARGS)

.PHONY: help demo test docs features base styles
.NOTPARALLEL:

help:
	@sed -n '1,7s/^# //p' Makefile

demo: .venv/installed
	@$(BIN)/streamstyle stylize "$(CLIP)" "$(OUT)" -y
	@echo "The stylized video is $(abspath $(OUT))"

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile

docs: .venv/installed-docs
	$(BIN)/python docs/reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "The pages are in $(abspath site); with the search: $(BIN)/python -m http.server -d site"

features: .venv/installed
	$(BIN)/python -m streamstyle.training.distillation "$(PHOTOS)" "$(TEACHER)" \
	  configs/features/distilled.toml streamstyle/weights/features.safetensors --second-teacher "$(SECOND)"

base: .venv/installed
	$(BIN)/python -m streamstyle.training.base "$(PHOTOS)" configs/styles/base.toml \
	  streamstyle/weights/base.safetensors

styles: .venv/installed
	$(BIN)/python -m streamstyle.training.bundled "$(PAINTINGS)" "$(PHOTOS)"

# The wheel opencv-python needs the system's window libraries, such as libGL and libxcb. Where they are missing,
# opencv-python-headless of the same version is installed over it. Both then count as installed, so that no
# requirement of pyproject.toml is missing.
define OPENCV_THAT_LOADS
@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
  echo "No window libraries here: installing OpenCV without windows." && \
  $(PIP) --no-deps --force-reinstall opencv-python-headless=="$$($(BIN)/python -c \
    'from importlib.metadata import version; print(version("opencv-python"))')" && \
  $(BIN)/python -c 'import cv2'; }
endef

# The stamp files prevent a second installation, unless pyproject.toml has changed.
.venv/made:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "$(PYTHON) is not there; name another: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "streamstyle needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" --version 2>&1);" \
	    "name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	@touch $@

.venv/installed: .venv/made pyproject.toml
	$(PIP) -e .
	$(OPENCV_THAT_LOADS)
	@touch $@

.venv/installed-dev: .venv/made pyproject.toml
	$(PIP) -e '.[dev]'
	$(OPENCV_THAT_LOADS)
	@touch .venv/installed $@

.venv/installed-docs: .venv/made pyproject.toml
	$(PIP) -e '.[docs]'
	$(OPENCV_THAT_LOADS)
	@touch .venv/installed $@
