"""A visitor's paintings: what becomes a style, for whom, for how long, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamstyle.apps.web import paintings as paintings_module
from streamstyle.apps.web.clips import Store
from streamstyle.apps.web.gallery import Gallery
from streamstyle.apps.web.jpeg import read_jpeg
from streamstyle.apps.web.look import Look
from streamstyle.apps.web.paintings import MOST_PAINTINGS, painting_style
from streamstyle.apps.web.renders import Render, RenderJob
from streamstyle.arbitrary_styles import LoadedStyle, predicted_style
from streamstyle.effects import StylizeSettings
from streamstyle.errors import InputError, UsageError
from streamstyle.jobs.render import render
from streamstyle.networks import StyleNet
from tests.webs import COLORS, OTHER, TOKEN, Camera, Visitor, ask, picture, studio

SAMPLES = Path(__file__).parents[1] / "samples"
TOLERANCE = 6  # of 255, after JPEG


def stored(data: bytes, folder: Path) -> Store:
    store = Store(folder)
    store.write(data)
    store.finish()
    return store


def image(size: tuple[int, int], color: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one, so that its network is predicted quickly."""
    path = tmp_path_factory.mktemp("paintings") / "mine.png"
    with Image.open(SAMPLES / "painting.png") as opened:
        opened.resize((320, 240)).save(path)
    return path


@pytest.fixture(scope="module")
def style(painting: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadedStyle:
    store = stored(painting.read_bytes(), tmp_path_factory.mktemp("store"))
    try:
        return painting_style(store)
    finally:
        store.close()


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return Gallery(["great_wave", "ink"], "cpu")


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks come at once, named by the upload's size; what paints in these tests is a double."""
    monkeypatch.setattr(
        "streamstyle.apps.web.site.painting_style",
        lambda store: LoadedStyle(StyleNet(), f"painting-{store.bytes}", {}),
    )


def is_near(found: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool(np.abs(found.astype(int) - np.array(color)).max() < TOLERANCE)


def test_an_upload_has_the_network_of_the_command_line(style: LoadedStyle, painting: Path) -> None:
    expected = predicted_style(painting)
    assert style.name.startswith("painting-") and style.metadata["painting"] == style.name
    assert {**style.metadata, "painting": "mine"} == expected.metadata
    for ours, theirs in zip(style.network.parameters(), expected.network.parameters(), strict=True):
        assert bool((ours == theirs).all())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"this is no painting", "is not an image"),
        (image((300, 300)), "the painting has one color only, so there is no style to learn from it"),
        (image((31, 500)), "the painting is 31x500 pixels; its shorter side must have at least 128"),
        (image((200, 200))[:60], "damaged"),
        ((SAMPLES / "harbour.mp4").read_bytes(), "is a video; expected an image"),
    ],
)
def test_what_is_no_painting_is_refused_in_one_line(tmp_path: Path, data: bytes, sentence: str) -> None:
    store = stored(data, tmp_path)
    with pytest.raises(InputError, match=sentence) as raised:
        painting_style(store)
    store.close()
    assert store.path not in str(raised.value) and "\n" not in str(raised.value)


def test_a_bomb_needs_too_much_memory_or_has_too_many_pixels(tmp_path: Path) -> None:
    """As an image of a few kilobytes whose header says 20000x20000, and one that is below the limit."""
    bomb = io.BytesIO()
    Image.new("1", (20000, 20000)).save(bomb, "PNG")
    store = stored(bomb.getvalue(), tmp_path)
    with pytest.raises(InputError, match=r"20000 × 20000 pixels, the limit is"):
        painting_style(store)
    store.close()
    store = stored(image((9000, 9000)), tmp_path)
    with pytest.raises(InputError, match="memory"):
        painting_style(store, 600 << 20)
    store.close()


def test_a_reader_that_hangs_is_killed(
    painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paintings_module, "READ_SECONDS", 0.01)
    store = stored(painting.read_bytes(), tmp_path)
    with pytest.raises(InputError, match="could not be read within"):
        painting_style(store)
    store.close()


def add(visitor: Visitor, visit: str, data: bytes = b"a painting") -> str:
    """The name of an uploaded painting."""
    status, answer = visitor.upload(data, visit, to="paintings")
    assert status == 200, answer
    return str(answer["name"])


def test_a_painting_is_a_style_for_its_visitor_alone(predicted: None) -> None:
    with studio() as made, Visitor(made) as mine, Visitor(made) as other:
        welcome = mine.hear("welcome")
        assert welcome["takes_paintings"]
        name = add(mine, welcome["visit"])
        mine.say(want={"style": name})
        mine.hear("wanted")
        assert is_near(mine.paint(picture()), OTHER)
        mine.say(want={"style": f"0.5*{name}+0.5*ink", "strength": 0.5})
        while len((heard := mine.hear("wanted"))["style"]) == 1:
            pass
        assert heard["style"] == {name: 0.5, "ink": 0.5} and heard["strength"] == 0.5
        other.say(want={"style": name})
        assert f"unknown style '{name}'; known: great_wave, ink, none" in other.hear("refused")
        assert is_near(other.paint(picture()), COLORS["great_wave"])
        other.say(remove=name)
        assert other.hear("refused") == "there is no such painting"


def test_a_removed_painting_is_gone_and_another_style_is_shown(predicted: None) -> None:
    with studio() as made, Visitor(made) as visitor:
        name = add(visitor, visitor.hear("welcome")["visit"])
        visitor.say(want={"style": name})
        while visitor.hear("wanted")["style"] != {name: 1.0}:
            pass
        visitor.say(remove=name)
        assert visitor.hear("wanted")["style"] == {"great_wave": 1.0}
        assert is_near(visitor.paint(picture()), COLORS["great_wave"])
        for wrong in (name, 3, ["x"]):
            visitor.say(remove=wrong)
            assert visitor.hear("refused") == "there is no such painting"


def test_there_is_a_limit_and_one_may_come_for_each_that_goes(predicted: None) -> None:
    with studio() as made, Visitor(made) as visitor:
        visit = visitor.hear("welcome")["visit"]
        names = [add(visitor, visit, bytes(number + 1)) for number in range(MOST_PAINTINGS)]
        status, answer = visitor.upload(bytes(99), visit, to="paintings")
        assert (
            status == 409 and answer["refused"] == "There are 10 paintings already. Remove one of them first."
        )
        visitor.say(remove=names[0])
        visitor.hear("wanted")  # from the beginning
        visitor.hear("wanted")
        assert add(visitor, visit, bytes(99)) == "painting-99"


def test_refusals_are_answered_and_leave_nothing(painting: Path) -> None:
    with studio(most_clip_bytes=200_000) as made, Visitor(made) as visitor:
        visit = visitor.hear("welcome")["visit"]
        assert visitor.upload(b"text", visit, to="paintings") == (422, {"refused": "is not an image."})
        assert visitor.upload(bytes(200_001), visit, to="paintings")[0] == 413
        assert visitor.upload(b"", visit, to="paintings") == (422, {"refused": "The file is empty."})
        assert visitor.upload(b"text", "nobody", to="paintings")[0] == 409
        assert is_near(visitor.paint(picture()), COLORS["great_wave"])
        assert visitor.upload(painting.read_bytes(), visit, to="paintings")[0] == 200


def test_only_pages_that_predict_take_paintings() -> None:
    weights = ("vgg.pth", "decoder.pth")
    effect = StylizeSettings(style="ink").model_copy(update={"arbitrary": "adain", "weights": weights})
    with studio(effect=effect) as made, Visitor(made) as visitor:
        welcome = visitor.hear("welcome")
        assert welcome["takes_paintings"] is False
        assert visitor.upload(b"a painting", welcome["visit"], to="paintings")[0] == 404


def test_the_camera_that_all_see_is_not_shown_in_a_visitor_s_painting(predicted: None) -> None:
    with studio(Camera()) as made, Visitor(made) as visitor:
        name = add(visitor, visitor.hear("welcome")["visit"])
        visitor.say(input="machine")
        visitor.say(want={"style": name})
        assert "not yours alone" in visitor.hear("refused")


def test_thumbnails_are_shown_to_their_visitor_and_nothing_is_kept(
    gallery: Gallery, style: LoadedStyle, predicted: None
) -> None:
    plain = gallery.thumbnail("ink")
    white = np.full((40, 60, 3), 255, np.uint8)
    shown = [read_jpeg(gallery.thumbnail(style.name, each, style) or b"") for each in (None, white, None)]
    assert (shown[0] == shown[2]).all() and shown[1].mean() > shown[0].mean() + 20
    gallery._thumbnails.clear()
    assert gallery.thumbnail("ink") == plain and gallery.thumbnail(style.name) is None
    assert style.name not in gallery._thumbnail_painter(False).styles
    with studio() as made, Visitor(made) as mine, Visitor(made) as other:
        visit, stranger = (each.hear("welcome")["visit"] for each in (mine, other))
        name = add(mine, visit)
        for of, expected in ((visit, 200), (stranger, 404), ("", 404)):
            path = f"/thumbnails/{name}.jpg?token={TOKEN}&sample&visit={of}"
            assert ask(made.url, "GET", path)[0] == expected


def test_it_is_mixed_shown_and_removed_as_other_styles_are(gallery: Gallery, style: LoadedStyle) -> None:
    look = Look(gallery, stylizer := gallery.stylizer())
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    look.add_painting(style)
    look.add_painting(style)  # once more
    look.change({"style": style.name})
    look(pixels, 0.0)  # the transition from the first style begins
    first = look(pixels, 0.9)
    with pytest.raises(UsageError, match="is in use"):
        stylizer.remove_style(style.name)
    look.change({"style": f"0.5*{style.name}+0.5*ink"})
    look(pixels, 1.0)
    assert (look(pixels, 1.9) != first).any()
    settings = look.settings()
    assert settings.style == f"0.5*{style.name}+0.5*ink" and settings.provenance is False
    assert look.shown_paintings == {style.name: style}
    look.change({"style": "dream-eyes"})
    look.remove_painting(style.name)
    look.change({"style": "great_wave"})
    look(pixels, 2.0)  # the transition begins
    look(pixels, 2.1)
    look(pixels, 3.0)
    assert style.name not in stylizer.styles and not look.paintings
    with pytest.raises(UsageError, match="unknown style"):
        look.change({"style": style.name})
    look.add_painting(style)
    look.change({"style": style.name})
    look(pixels, 4.0)
    assert (look(pixels, 5.0) == first).all()


def test_a_render_is_that_of_the_command_line(style: LoadedStyle, painting: Path, tmp_path: Path) -> None:
    (results := tmp_path / "results").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(
        tmp_path / "in.png"
    )
    mixture = "0.5*{}+0.5*ink"
    options = {"device": "cpu", "provenance": False, "strength": 0.9}
    settings = StylizeSettings(**options).model_copy(update={"style": mixture.format(style.name)})
    job = RenderJob(str(tmp_path / "in.png"), (), settings, "stylized.png", {style.name: style})
    rendering, messages = Render(job, results), []
    rendering.run(messages.append)
    assert "done" in messages[-1], messages
    render(
        tmp_path / "in.png", tmp_path / "out.png", StylizeSettings(style=mixture.format(painting), **options)
    )
    assert rendering.read(0, rendering.bytes) == (tmp_path / "out.png").read_bytes()
    rendering.close()
    assert not list(results.iterdir())


def test_that_a_network_cannot_be_written_is_said(style: LoadedStyle, tmp_path: Path) -> None:
    settings = StylizeSettings(device="cpu").model_copy(update={"style": style.name})
    rendering = Render(RenderJob("in.png", (), settings, "out.png", {style.name: style}), tmp_path)
    rendering._folder.rmdir()
    messages: list[dict[str, object]] = []
    rendering.run(messages.append)
    assert "the server cannot write" in str(messages) and str(tmp_path) not in str(messages)
    rendering.close()
