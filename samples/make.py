"""Render the samples: `python samples/make.py`, or only the clip's exact flow with `--flow FOLDER`."""

import argparse
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2  # before av: the other order hangs OpenCV's windows

# isort: split
import av
import harbour
import numpy as np
from canvas import Array
from lighthouse import paint_lighthouse
from numpy.typing import NDArray
from painting import paint_landscape, paint_picture
from render import Layer, backward_flow, render
from sound import RATE, compose
from still_life import paint_still_life
from techniques import TECHNIQUES

HERE = Path(__file__).parent
TECHNIQUE_SIDE = 600  # pixels, the longer side of the images that show a technique
FLO_MAGIC = 202021.25  # first number of a Middlebury flow file


def main() -> None:
    """Write the clip, the still images, the painting and the technique images; or the flow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE, help="folder for the samples")
    parser.add_argument(
        "--flow", type=Path, metavar="FOLDER", help="write the clip's backward flow and masks instead"
    )
    options = parser.parse_args()
    if options.flow:
        write_flows(options.flow, harbour.layers())
        return
    options.output.mkdir(parents=True, exist_ok=True)
    scenes = {
        "lighthouse": paint_lighthouse(),
        "still_life": paint_still_life(),
        "landscape": paint_landscape(TECHNIQUE_SIDE),
    }
    pictures = {
        "lighthouse": scenes["lighthouse"],
        "still_life": scenes["still_life"],
        "painting": paint_picture(),
    }
    for name, (technique, scene) in TECHNIQUES.items():
        pictures[name] = technique(reduced(scenes[scene], TECHNIQUE_SIDE))
    for name, picture in pictures.items():
        write_picture(options.output / f"{name}.png", picture)
        print(options.output / f"{name}.png")
    write_clip(options.output / "harbour.mp4", clip_frames(harbour.layers()))
    print(options.output / "harbour.mp4")


def clip_frames(layers: list[Layer]) -> Iterator[NDArray[np.uint8]]:
    """The clip's frames, (360, 640, 3) uint8 RGB."""
    for frame in range(harbour.FRAMES):
        yield eight_bit(render(layers, frame, width=harbour.WIDTH, height=harbour.HEIGHT))


def reduced(picture: Array, side: int) -> Array:
    """An image whose longer side is `side` pixels."""
    height, width = picture.shape[:2]
    size = round(width * side / max(height, width)), round(height * side / max(height, width))
    smaller: Array = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return smaller


def eight_bit(picture: Array) -> NDArray[np.uint8]:
    """An image in [0, 1] as bytes."""
    return np.round(picture * 255).astype(np.uint8)


def write_picture(path: Path, picture: Array) -> None:
    """Write an (h, w, 3) RGB image in [0, 1] as PNG, with one channel where it is gray."""
    pixels = eight_bit(picture)[..., ::-1]
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if not cv2.imwrite(str(path), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        raise OSError(f"cannot write {path}")


def write_clip(path: Path, frames: Iterable[NDArray[np.uint8]]) -> None:
    """Encode the frames and the sound as H.264 and AAC; `path` is replaced once all is written."""
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w", options={"movflags": "+faststart"}) as film:
        video = film.add_stream(
            "libx264", rate=harbour.FPS, options={"crf": "20", "preset": "slow", "threads": "1"}
        )
        video.width, video.height, video.pix_fmt = harbour.WIDTH, harbour.HEIGHT, "yuv420p"
        context = video.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # limited
        audio = film.add_stream("aac", rate=RATE, layout="stereo")
        audio.bit_rate = 128_000
        for number, pixels in enumerate(frames):
            # Name the matrix: tags alone would leave BT.601 values labeled as BT.709.
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = number, Fraction(1, harbour.FPS)
            film.mux(video.encode(frame))
        film.mux(video.encode())
        sound = av.AudioFrame.from_ndarray(
            compose(harbour.FRAMES / harbour.FPS), format="fltp", layout="stereo"
        )
        sound.rate, sound.pts = RATE, 0
        film.mux(audio.encode(sound))
        film.mux(audio.encode())
    part.replace(path)


def write_flows(folder: Path, layers: list[Layer]) -> None:
    """Write flow_0001.flo, visible_0001.png, flow_0002.flo ... into `folder`, a pair per frame from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in range(1, harbour.FRAMES):
        flow, seen = backward_flow(layers, frame, width=harbour.WIDTH, height=harbour.HEIGHT)
        write_flo(folder / f"flow_{frame:04d}.flo", flow)
        if not cv2.imwrite(str(folder / f"visible_{frame:04d}.png"), seen.astype(np.uint8) * 255):
            raise OSError(f"cannot write to {folder}")


def write_flo(path: Path, flow: Array) -> None:
    """Write an (h, w, 2) flow in pixels as a Middlebury file: magic, width, height, x and y of each pixel."""
    height, width = flow.shape[:2]
    header = np.array([FLO_MAGIC], "<f4").tobytes() + np.array([width, height], "<i4").tobytes()
    path.write_bytes(header + flow.astype("<f4").tobytes())


if __name__ == "__main__":
    main()
