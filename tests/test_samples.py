"""The samples are what their page says, and the clip's flow is exact."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import cv2  # before av: the other order hangs OpenCV's windows

# isort: split
import av
import numpy as np
import pytest

SAMPLES = Path(__file__).parents[1] / "samples"
SCALE = 0.5  # of the clip's size; the motion is the same, in half as many pixels
SIZE = {"width": 320, "height": 180, "scale": SCALE}
FRAME = 60  # everything moves here: camera, ketch and gulls


@pytest.fixture(scope="module")
def painters() -> dict[str, ModuleType]:
    """The samples' modules by name; they are a program, not part of the package."""
    names = ("canvas", "harbour", "make", "painting", "render", "seascape", "sound", "techniques")
    sys.path.insert(0, str(SAMPLES))
    try:
        return {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(SAMPLES))


@pytest.fixture(scope="module")
def layers(painters):
    """The clip's layers, stylized coarsely to save time."""
    return painters["harbour"].layers(density=1.0)


@pytest.fixture(scope="module")
def motion(painters, layers):
    """Frames FRAME - 1 and FRAME, the backward flow between them, and where it holds."""
    render = painters["render"]
    previous, current = (render.render(layers, frame, **SIZE) for frame in (FRAME - 1, FRAME))
    flow, seen = render.backward_flow(layers, FRAME, **SIZE)
    return previous, current, flow, seen


def warp_error(previous, current, flow):
    """Mean difference per pixel (h, w) between `current` and `previous` brought there by `flow`."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    warped = cv2.remap(previous, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC)
    return np.abs(warped - current).mean(-1)


def test_the_clip_has_its_size_length_color_tags_and_sound():
    """640x360, 120 frames at 24 fps, BT.709 limited range, stereo AAC at 48 kHz as long as the image."""
    with av.open(str(SAMPLES / "harbour.mp4")) as clip:
        video, audio = clip.streams.video[0], clip.streams.audio[0]
        frames = list(clip.decode(video))
        assert (video.width, video.height, video.average_rate, len(frames)) == (640, 360, 24, 120)
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        tags = (frames[0].colorspace, frames[0].color_primaries, frames[0].color_trc, frames[0].color_range)
        assert [int(tag) for tag in tags] == [1, 1, 1, 1]
        assert (audio.codec_context.name, audio.rate, audio.channels) == ("aac", 48_000, 2)
        assert float(audio.duration * audio.time_base) == pytest.approx(5.0, abs=0.05)


def test_the_clip_shows_what_the_program_paints(painters, layers):
    """A decoded frame is the rendered one but for the coder's loss, with the colors of BT.709."""
    with av.open(str(SAMPLES / "harbour.mp4")) as video:
        frame = next(video.decode(video=0)).to_ndarray(format="rgb24")
    shown = cv2.resize(frame, (320, 180), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    stylized = painters["render"].render(layers, 0, **SIZE)
    # The test stylizes at half the density, so edges differ; the wrong matrix would shift whole channels.
    assert np.abs(shown - stylized).mean() < 0.03
    assert np.abs((shown - stylized).mean((0, 1))).max() < 0.008


def test_the_clip_has_audible_sound_that_does_not_clip(painters):
    """Both channels carry sound; it fades in and out and stays clear of full scale."""
    wave = painters["sound"].compose(2.0)
    assert wave.shape == (2, 96_000)
    assert 0.5 < np.abs(wave).max() < 0.9
    assert np.sqrt((wave**2).mean(axis=1)).min() > 0.03
    assert np.abs(wave[:, [0, -1]]).max() < 1e-3


@pytest.mark.parametrize(
    ("name", "size"), [("lighthouse", (960, 640)), ("still_life", (960, 640)), ("painting", (768, 768))]
)
def test_the_pictures_open_with_their_sizes(name, size):
    """Each PNG has the size its page names and more in it than a flat color."""
    picture = cv2.imread(str(SAMPLES / f"{name}.png"))
    assert picture is not None
    assert picture.shape == (size[1], size[0], 3)
    assert picture.std() > 25


def test_each_technique_paints_a_picture_of_the_same_size_and_the_same_each_time(painters):
    scene = painters["painting"].paint_landscape(96)[:64]
    for name, (technique, _) in painters["techniques"].TECHNIQUES.items():
        result = technique(scene)
        assert result.shape == scene.shape, name
        assert 0 <= result.min() < 0.4 < result.max() <= 1, name
        assert np.array_equal(result, technique(scene)), name
        assert (SAMPLES / f"{name}.png").exists()
        assert (name == "ink") == bool((result == result[..., :1]).all()), name


def test_the_samples_stay_small():
    """Together they weigh less than 6 MB, so that cloning stays quick."""
    assert sum(path.stat().st_size for path in SAMPLES.iterdir() if path.suffix in {".mp4", ".png"}) < 6e6


def test_the_flow_leads_each_visible_pixel_to_the_same_point_of_paint(painters, layers):
    """Without resampling, colors at the traced places agree; a quarter pixel beside, they do not."""
    render = painters["render"]
    x, y = render.pixel_centres(320, 180, scale=SCALE)
    flow, seen = render.backward_flow(layers, FRAME, **SIZE)
    there_x, there_y = x + flow[..., 0] / SCALE, y + flow[..., 1] / SCALE
    now = render.colours(layers, x, y, FRAME)

    def error(shift):
        then = render.colours(layers, there_x + shift / SCALE, there_y, FRAME - 1)
        return np.abs(now - then).max(-1)[seen]

    exact = error(0.0)
    # Older samplers place points to 1/32 canvas pixel; half-covered points at edges mix in what lies behind.
    assert np.median(exact) < 2e-3
    assert (exact < 0.01).mean() > 0.95
    assert exact.mean() < 0.2 * error(0.25).mean()


def test_warping_with_the_flow_gives_the_current_frame(motion):
    """Where the point was visible, the previous frame warped by the flow is the current one."""
    previous, current, flow, seen = motion
    error = warp_error(previous, current, flow)[seen]
    standing = warp_error(previous, current, np.zeros_like(flow))[seen]
    assert np.median(error) < 0.004  # one step of 8 bits
    assert error.mean() < 0.35 * standing.mean()


def test_hidden_pixels_are_marked(motion):
    """What the moving foreground uncovers, or the pan brings in, does not match; the mask says so."""
    previous, current, flow, seen = motion
    error = warp_error(previous, current, flow)
    assert 0.005 < (~seen).mean() < 0.05
    assert error[~seen].mean() > 5 * error[seen].mean()


def test_the_negated_forward_flow_is_worse_at_the_edges_of_what_moves(painters, layers, motion):
    """Negating the forward flow is right inside a surface only; at motion edges it picks the wrong one."""
    previous, current, flow, seen = motion
    forward, _ = painters["render"].trace(layers, FRAME - 1, FRAME, **SIZE)
    steps = np.abs(np.diff(flow, axis=1, append=flow[:, -1:])).max(-1)
    edges = (cv2.dilate((steps > 0.3).astype(np.uint8), np.ones((5, 5))) > 0) & seen
    exact = warp_error(previous, current, flow)[edges].mean()
    negated = warp_error(previous, current, -forward)[edges].mean()
    assert edges.sum() > 500
    assert negated > 1.25 * exact


def test_down_to_the_paint_and_up_again_is_the_same_place(layers):
    """Each layer's motion is undone exactly by its inverse, sway included."""
    x, y = np.meshgrid(np.linspace(0, 640, 9), np.linspace(0, 360, 7))
    for layer in layers:
        for frame in (0, 37, 119):
            back_x, back_y = layer.to_screen(*layer.to_scene(x, y, frame), frame)
            assert np.allclose(back_x, x, atol=1e-6), layer.name
            assert np.allclose(back_y, y, atol=1e-6), layer.name


def test_everything_known_to_move_moves(painters, layers):
    """Camera, ketch and gulls give different motions; near layers move more than far ones."""
    place = np.array([[300.0]])
    moved = {}
    for layer in layers:
        scene = layer.to_scene(place, place, FRAME)
        moved[layer.name] = float(layer.to_screen(*scene, FRAME - 1)[0][0, 0] - 300)
    assert moved["terrace"] > moved["town"] > moved["far mountains"] > moved["sky"] > 0.5
    assert moved["ketch"] < 0 < moved["sky"]


def test_rendering_twice_gives_the_same_bytes(painters):
    """Painting and rendering have no hidden randomness."""
    canvas, render, seascape = painters["canvas"], painters["render"], painters["seascape"]

    def picture():
        sheet = canvas.Canvas(300, 100, 460, 280, density=1)
        seascape.paint_sky(sheet, seascape.EVENING)
        seascape.paint_water(sheet, seascape.EVENING, [])
        layer = render.Layer("water", sheet, painters["harbour"].camera(0), painters["harbour"].water_sway)
        return render.render([layer], 7, width=230, height=140, scale=0.5)

    assert np.array_equal(picture(), picture())


def test_a_flow_file_holds_magic_size_and_vectors(painters, tmp_path):
    """Middlebury .flo: 202021.25, width, height, then x, y of each pixel, row by row."""
    flow = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    painters["make"].write_flo(tmp_path / "a.flo", flow)
    data = (tmp_path / "a.flo").read_bytes()
    assert np.frombuffer(data[:4], "<f4")[0] == np.float32(202021.25)
    assert np.frombuffer(data[4:12], "<i4").tolist() == [3, 2]
    assert np.array_equal(np.frombuffer(data[12:], "<f4").reshape(2, 3, 2), flow)
