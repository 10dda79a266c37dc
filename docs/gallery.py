"""The images of the README and of the model cards: `python docs/gallery.py`."""

from pathlib import Path

import numpy as np
from PIL import Image

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.device import download, upload
from streamstyle.effects.composite import Composite
from streamstyle.effects.stylize.effect import Style
from streamstyle.frames import Frame, Moment
from streamstyle.keyframes import NONE, keyframes_of
from streamstyle.sources import open_source
from streamstyle.weights import STYLES

HERE = Path(__file__).parent
PAGE = HERE.parent / "streamstyle" / "apps" / "web" / "page"
SAMPLES = HERE.parent / "samples"
FRAME = 60  # number of the clip's frame to show
STRIP = 200  # pixels, the height of the thumbnails
COLUMNS, SIDE = 3, 400  # of the gallery, and pixels along the longer side of each of its images


def stills() -> list[np.ndarray]:
    """The sample images: a frame of the clip, the lighthouse, the still life."""
    with open_source(SAMPLES / "harbour.mp4") as clip:
        frames = [item.pixels for item in clip if isinstance(item, Frame)]
    pictures = [frames[FRAME]]
    for name in ("lighthouse", "still_life"):
        with open_source(SAMPLES / f"{name}.png") as still:
            pictures += [item.pixels for item in still if isinstance(item, Frame)]
    return pictures


def stylized(pixels: np.ndarray, style: str) -> np.ndarray:
    """(H, W, 3) uint8 in a style."""
    keyframes = keyframes_of(style)
    effect = Composite(Style(keyframes, device="cpu"), keyframes)
    image = upload(pixels, effect.effect.device)
    return download(effect(image, Moment(0, 0.0)))


def strip(pictures: list[np.ndarray]) -> np.ndarray:
    """Images side by side, scaled to the same height."""
    scaled = []
    for pixels in pictures:
        size = round(pixels.shape[1] * STRIP / pixels.shape[0]), STRIP
        scaled.append(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)))
    return np.concatenate(scaled, axis=1)


def main() -> None:
    """Writes docs/styles.jpg, docs/styles/NAME.jpg and the page's sample image."""
    (HERE / "styles").mkdir(exist_ok=True)
    pictures, cells = stills(), []
    Image.fromarray(pictures[-1]).save(PAGE / "sample.jpg", quality=85, optimize=True)
    for name in (NONE, *STYLES):
        results = [stylized(pixels, name) for pixels in pictures]
        title = "source" if name == NONE else name
        cells.append(Cell(results[0], title))
        if name != NONE:
            Image.fromarray(strip(results)).save(HERE / "styles" / f"{name}.jpg", quality=88)
    Image.fromarray(sheet(cells, COLUMNS, SIDE)).save(HERE / "styles.jpg", quality=86)


if __name__ == "__main__":
    main()
