"""Content images in the memory of a device, and crops of them against those of Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image

from streamstyle.training import Recipe, stored_images
from streamstyle.training.crops import DeviceImages, HostImages, crops_of_step
from streamstyle.training.data import CONTENT_SIDE
from streamstyle.training.stored_images import StoredImages
from tests.device_fakes import FakeDevice

CPU = torch.device("cpu")
RECIPE = Recipe(steps=4, batch=3, crop=64)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def images() -> list[Image.Image]:
    """Wide, high, smaller than a crop, and larger than content images are."""
    sizes = [(300, 90), (130, 400), (40, 30), (700, 600)]
    large = noise(900, 800).resize(sizes[3])
    return [*(noise(*size, seed) for seed, size in enumerate(sizes[:3])), large]


@pytest.mark.parametrize("side", [32, 64])
def test_crops_are_those_of_pillow(images, fake_device: FakeDevice, side):
    """Enlarged and reduced, mirrored or not, at borders: rounding alone may differ, by 1 of 255."""
    small = [image if min(image.size) <= CONTENT_SIDE else image.resize((597, 512)) for image in images]
    host, device = HostImages(small), DeviceImages(small, CPU)
    for step in range(1, 13):
        expected, found = (crops_of_step(source, side, step, RECIPE) for source in (host, device))
        off = (found - expected) * 255
        assert found.shape == expected.shape and found.is_contiguous(memory_format=torch.channels_last)
        assert off.abs().max() < 1.01 and off.abs().mean() < 0.25 and off.mean().abs() < 0.05
    assert fake_device.replays == 12 - 3


def test_crops_of_a_given_share_are_those_of_pillow(images, fake_device: FakeDevice):
    host, device = HostImages(images[:2]), DeviceImages(images[:2], CPU)
    expected, found = (
        source.crops([0, 1, 1, 0], 48, np.random.default_rng(5), 0.35) for source in (host, device)
    )
    assert (found - expected).abs().max() < 1.01 / 255


def test_large_images_are_scaled_down_as_content_images(images):
    assert StoredImages(images, CPU).sizes == [(300, 90), (130, 400), (40, 30), (597, 512)]


def test_of_too_many_images_a_choice_is_used_that_is_always_the_same(monkeypatch, caplog):
    many = [noise(60, 50, seed) for seed in range(40)]
    monkeypatch.setattr(stored_images, "MOST_BYTES", 3 * 60 * 50 * 10)
    monkeypatch.setattr(stored_images, "READ_AT_ONCE", 4)
    first, again = StoredImages(many, CPU), StoredImages(many, CPU)
    assert len(first.sizes) == 10
    assert torch.equal(first.pixels, again.pixels) and first.pixels.nbytes == stored_images.MOST_BYTES
    assert "training on 10 of 40 images: no more fit" in caplog.text
    spread = [number for number, image in enumerate(many) if is_stored(image, first)]
    assert len(spread) == 10 and max(spread) > 20, "not only the first ones"


def is_stored(image: Image.Image, stored: StoredImages) -> bool:
    pixels = torch.from_numpy(np.array(image)).flatten(0, 1)
    return any(torch.equal(part, pixels) for part in stored.pixels.split(len(pixels)))


def test_images_are_read_on_first_use(images):
    """So that the minutes of a training include it."""

    class Watched(list):
        read = 0

        def __getitem__(self, index):
            self.read += 1
            return super().__getitem__(index)

    watched = Watched(images)
    source = DeviceImages(watched, CPU)
    assert watched.read == 0
    for _ in range(2):
        source.crops([0], 32, np.random.default_rng(0))
    assert watched.read == len(source) == 4
