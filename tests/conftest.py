"""Shared fixtures: real videos, devices, fixed seeds."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does, before torch is imported
# The images of the tests are so small that more threads take longer; and test processes run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that use the fixture `media` with the marker `media`."""
    for item in items:
        if "media" in getattr(item, "fixturenames", ()):
            item.add_marker("media")


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:  # do not import it for tests that do not need it
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What programs keep between runs goes to a folder of the tests."""
    os.environ["STREAMSTYLE_STATE"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture
def media() -> Path:
    """The folder of real videos that STREAMSTYLE_TEST_MEDIA names."""
    named = os.environ.get("STREAMSTYLE_TEST_MEDIA")
    if not named:
        pytest.skip("STREAMSTYLE_TEST_MEDIA names no folder of real videos")
    if not Path(named).is_dir():
        pytest.skip(f"STREAMSTYLE_TEST_MEDIA names {named}, which is no folder")
    return Path(named)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> str:
    """Each device in turn; without CUDA, its tests are skipped, or fail if FAIL_WITHOUT_CUDA=1."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        if os.environ.get("FAIL_WITHOUT_CUDA") == "1":
            pytest.fail("FAIL_WITHOUT_CUDA=1, and no CUDA device is there")
        pytest.skip("no CUDA device")
    return str(request.param)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with a camera and a microphone; tests skip where there is none."""
    from tests.browsers import chromium

    with chromium(tmp_path_factory.mktemp("camera")) as started:
        yield started


@pytest.fixture
def page(browser: Any, studio: Any) -> Iterator[Any]:
    """The page of the module's `studio`."""
    from tests.browsers import opened

    with opened(browser, studio.url) as made:
        yield made


@pytest.fixture
def fake_device(monkeypatch):
    """Tensors on the CPU take the way of a device; functions that are called often become recorded graphs.

    The fixture's value tells of the graphs: a `tests.device_fakes.FakeDevice`.
    """
    from tests.device_fakes import use_fake_device

    return use_fake_device(monkeypatch)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Two photographs, a file that is not an image, and a painting next to the folder."""
    root = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    (root / "photos").mkdir()
    sizes = {"photos/a.png": (90, 120), "photos/b.jpg": (50, 300), "painting.png": (140, 200)}
    for name, size in sizes.items():
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(root / name)
    (root / "photos" / "notes.txt").write_text("no image")
    return root
