"""What a browser and the server say to each other: images, wishes, the machine's camera."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamstyle.apps.web.gallery import Gallery
from streamstyle.apps.web.jpeg import read_jpeg, write_jpeg
from streamstyle.effects import DreamSettings
from streamstyle.errors import InputError
from tests.webs import COLORS, TOKEN, Camera, Tint, Visitor, ask, picture, studio

SAMPLES = Path(__file__).parents[1] / "samples"
TOLERANCE = 6  # of 255, after JPEG


@pytest.fixture(scope="module")
def served():
    with studio(Camera()) as made:
        yield made


@pytest.fixture
def visitor(served):
    with Visitor(served) as made:
        yield made


def is_near(pixels: np.ndarray, color: Any) -> bool:
    return bool(np.all(np.abs(pixels.astype(int) - np.array(color)) <= TOLERANCE))


def test_a_picture_comes_back_painted_at_its_size(visitor: Visitor) -> None:
    result = visitor.paint(picture(size=(64, 48)))
    assert result.shape == (48, 64, 3) and is_near(result, COLORS["great_wave"])


def test_the_welcome_says_all_that_the_page_shows(visitor: Visitor) -> None:
    welcome = visitor.hear("welcome")
    assert [style["name"] for style in welcome["styles"] if style["kind"] == "style"] == list(COLORS)
    dreams = {style["name"]: style for style in welcome["styles"] if style["kind"] == "dream"}
    assert dreams["dream-dogs"]["label"] == "Dogs" and "animals" in dreams["dream-dogs"]["note"]
    assert welcome["styles"][0]["label"] == "Great wave" and "Hokusai" in welcome["styles"][0]["note"]
    assert welcome["machine"] is True and welcome["device"] == "cpu"
    assert visitor.hear("wanted")["style"] == {"great_wave": 1.0}


def test_wishes_hold_from_the_next_picture_on(visitor: Visitor) -> None:
    visitor.say(want={"style": "ink"})
    assert visitor.hear("wanted")["style"] == {"great_wave": 1.0}  # the greeting
    assert visitor.hear("wanted")["style"] == {"ink": 1.0}
    assert is_near(visitor.paint(picture()), COLORS["ink"])
    visitor.say(want={"style": "0.25*ink+0.75*great_wave", "strength": 1})
    expected = 0.25 * np.array(COLORS["ink"]) + 0.75 * np.array(COLORS["great_wave"])
    assert is_near(visitor.paint(picture()), expected)


def test_what_is_lowered_to_hold_the_rate_is_told() -> None:
    tint = Tint()
    with studio(stylizer=lambda: tint) as made, Visitor(made) as visitor:
        visitor.paint(picture())
        while not tint.durations:  # the server notes how long it took once the picture is sent
            time.sleep(0.01)
        tint.lowered = "strokes 1.4x"
        visitor.socket.send(picture())
        assert visitor.hear("status") == {"target": 24.0, "lowered": "strokes 1.4x"}
        visitor.say(rate=15)
        visitor.say(want={})
        visitor.hear("wanted")
        assert tint.target == 15
        visitor.say(rate=0)
        visitor.say(want={})
        visitor.hear("wanted")
        assert tint.target is None, "a still image needs no rate"
    assert len(tint.durations) == 2 and min(tint.durations) > 0


@pytest.mark.parametrize(
    ("message", "match"),
    [
        ('{"rate": -1}', "rate is -1.0, expected 0 to 1000"),
        ('{"rate": "fast"}', "rate is 'fast', expected 0 to 1000"),
        ('{"rate": true}', "rate is True, expected 0 to 1000"),
        ('{"rate": NaN}', "rate is nan, expected 0 to 1000"),
        ('{"want": {"strength": 2}}', "strength is 2, expected 0 to 1"),
        ('{"want": {"strength": "much"}}', "strength is 'much', expected a number"),
        ('{"want": {"strength": NaN}}', "strength is nan"),
        ('{"want": {"strength": 1e999}}', "strength is inf"),
        ('{"want": {"strength": 1' + "0" * 400 + "}}", "strength is inf"),
        ('{"want": {"strength": true}}', "expected a number"),
        ('{"want": {"stroke_size": 0.1}}', "stroke-size is 0.1"),
        ('{"want": {"mirror": 1}}', "mirror is 1.0, expected true or false"),
        ('{"want": {"style": "monet"}}', "unknown style 'monet'; known: great_wave, ink, none"),
        ('{"want": {"style": "/etc/passwd"}}', "unknown style '/etc/passwd'"),
        ('{"want": {"style": "-1*ink"}}', "weights above 0"),
        ('{"want": {"style": 3}}', "expected a name or a mixture"),
        ('{"want": {"style": "' + "ink+" * 100 + '"}}', "expected a name or a mixture"),
        ('{"want": {"self": 1}}', "unknown control 'self'"),
        ('{"want": [1]}', "expected an object of names and values"),
        ('{"input": "screen"}', "input is 'screen', expected browser, machine, clip"),
        ('{"input": ["clip"]}', "expected browser, machine, clip"),
        ('{"input": "clip"}', "no clip yet"),
        ('{"sing": 1}', "unknown message 'sing'"),
        ("{", "expected a JSON object"),
        ("[1]", "expected a JSON object"),
        ("[" * 9000, "expected a JSON object"),
        ('{"want": {"style": "' + "x" * 20_000 + '"}}', "expected a JSON object"),
    ],
)
def test_what_cannot_be_is_answered_with_a_sentence_and_changes_nothing(
    visitor: Visitor, message: str, match: str
) -> None:
    visitor.socket.send(message)
    assert match in visitor.hear("refused")
    assert is_near(visitor.paint(picture()), COLORS["great_wave"])


def test_damaged_pictures_are_answered_with_a_sentence(visitor: Visitor) -> None:
    whole = picture(size=(640, 480))
    for data in [b"", b"not a picture", whole[: len(whole) // 2], b"\xff\xd8\xff\xe0" + bytes(100)]:
        visitor.socket.send(data)
        assert visitor.hear("refused") == "the image is damaged, or not a JPEG"
    assert is_near(visitor.paint(picture()), COLORS["great_wave"])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (picture(size=(1921, 8)), "1921x8 pixels, at most 1920x1080"),
        (picture(size=(1100, 1090)), "1100x1090 pixels"),
        (b"\xff\xd8" + bytes(1_600_000), "1,600,002 bytes, at most 1,500,000"),
        (picture()[:20] + b"\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03", "damaged|65535x65535"),
    ],
)
def test_pictures_that_are_too_large_are_refused_before_they_are_decoded(data: bytes, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_jpeg(data)


def test_upright_and_grey_pictures_are_taken() -> None:
    assert read_jpeg(picture(size=(1080, 1920))).shape == (1920, 1080, 3)
    ramp = np.linspace(0, 255, 64).astype(np.uint8)[None, :, None].repeat(48, 0).repeat(3, 2)
    assert np.abs(read_jpeg(write_jpeg(ramp)).astype(int) - ramp).max() <= TOLERANCE


class Slow(Tint):
    """Stylizes only when it may, and tells who stylizes."""

    begun = threading.Semaphore(0)
    may = threading.Semaphore(0)
    order: list[Slow]

    def __call__(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        self.order.append(self)
        self.begun.release()
        assert self.may.acquire(timeout=20)
        return super().__call__(pixels, seconds)


@pytest.fixture
def slow():
    Slow.begun, Slow.may, Slow.order = threading.Semaphore(0), threading.Semaphore(0), []
    with studio(stylizer=Slow) as made:
        yield made
        Slow.may.release(100)


def test_one_picture_is_in_flight_and_the_newest_wins(slow) -> None:
    greys = [0, 40, 80, 120, 160, 200]
    with Visitor(slow) as visitor:
        visitor.say(want={"strength": 0})  # shows the image itself
        visitor.socket.send(picture((greys[0],) * 3))
        assert Slow.begun.acquire(timeout=20)
        for grey in greys[1:]:
            visitor.socket.send(picture((grey,) * 3))
        visitor.say(want={"steady": 0.5})
        while visitor.hear("wanted")["steady"] != 0.5:
            pass  # all that was sent before has been read by now
        Slow.may.release(10)
        assert is_near(visitor.see()[1], greys[0])
        assert is_near(visitor.see()[1], greys[-1])
        assert len(Slow.order) == 2


def test_nobody_waits_for_more_than_one_picture_of_each_other(slow) -> None:
    """Also not for one who sends without waiting."""
    with Visitor(slow) as greedy, Visitor(slow) as patient:
        patient.hear("wanted")
        greedy.socket.send(picture())
        assert Slow.begun.acquire(timeout=20)
        for _ in range(30):
            greedy.socket.send(picture())
        patient.socket.send(picture())
        patient.say(want={"steady": 0.5})
        while patient.hear("wanted")["steady"] != 0.5:
            pass
        time.sleep(0.1)  # its image is decoded and waits for its turn
        Slow.may.release(10)
        patient.see()
        place = next(i for i, who in enumerate(Slow.order) if who is not Slow.order[0])
        assert place <= 2


def test_several_visitors_paint_in_styles_of_their_own(served) -> None:
    with Visitor(served) as first, Visitor(served) as second, Visitor(served) as third:
        second.say(want={"style": "ink"})
        third.say(want={"strength": 0})
        for _ in range(3):
            for who in (first, second, third):
                who.socket.send(picture((90, 90, 90)))
            assert is_near(first.see()[1], COLORS["great_wave"])
            assert is_near(second.see()[1], COLORS["ink"])
            assert is_near(third.see()[1], 90)


def test_more_visitors_than_there_is_room_for_are_told() -> None:
    with studio(most_visitors=1) as made, Visitor(made) as first:
        first.hear("welcome")
        with Visitor(made) as second:
            assert "1 people are using this page already" in second.hear("refused")
        assert first.paint(picture()).shape == (48, 64, 3)
        first.socket.close()
        for _ in range(50):  # the server notices
            with Visitor(made) as third:
                if "welcome" in json.loads(third.socket.recv(timeout=20)):
                    return
            time.sleep(0.02)
        raise AssertionError("the place of one who left stays taken")


def test_the_machine_s_camera_is_shown_when_the_browser_is_ready(visitor: Visitor) -> None:
    visitor.say(input="machine")
    assert visitor.hear("input") == "machine"
    for _ in range(3):
        visitor.say(ready=True)
        source, result = visitor.see()
        assert source is not None and is_near(source, 90) and is_near(result, COLORS["great_wave"])


def test_the_machine_s_camera_has_one_look_for_all_and_its_own_figures(served) -> None:
    with Visitor(served) as one, Visitor(served) as other:
        for who in (one, other):
            who.say(input="machine")
            assert who.hear("input") == "machine"
        one.say(want={"style": "ink"})
        other.say(ready=True)
        while other.hear("wanted")["style"] != {"ink": 1.0}:
            pass
        one.say(ready=True)
        expected = {"state": "live", "fps": 25.0, "latency_ms": 40.0, "drops": 3, "device": "cpu"}
        assert one.hear("status") == expected  # no path, no NaN
        one.say(want={"style": "great_wave"})


def test_a_camera_that_cannot_be_painted_any_more_is_said(served) -> None:
    camera = Camera()
    with studio(camera) as made, Visitor(made) as visitor:
        camera.error = InputError("the weights are gone")
        visitor.say(input="machine")
        visitor.say(ready=True)
        assert visitor.hear("refused") == "the weights are gone"
        status, _, body = ask(made.url, "GET", f"/stream.mjpg?token={TOKEN}")
        assert (status, body) == (200, b"")


def test_nobody_is_kept_waiting_by_who_begins_a_request_and_does_not_end_it(served) -> None:
    slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        with Visitor(served) as visitor:
            assert visitor.paint(picture()).shape == (48, 64, 3)
    finally:
        for connection in slow:
            connection.close()


def test_without_a_camera_of_the_machine_that_is_said() -> None:
    with studio() as made, Visitor(made) as visitor:
        visitor.say(input="machine")
        assert "shows no camera" in visitor.hear("refused")
        assert ask(made.url, "GET", f"/stream.mjpg?token={TOKEN}")[0] == 404


def test_the_stream_shows_picture_after_picture(served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    assert served.stream_url == f"http://127.0.0.1:{served.port}/stream.mjpg?token={TOKEN}"
    connection.request("GET", f"/stream.mjpg?token={TOKEN}")
    answer = connection.getresponse()
    assert answer.getheader("content-type") == "multipart/x-mixed-replace; boundary=picture"
    for _ in range(3):
        assert answer.readline() == b"--picture\r\n" and answer.readline() == b"Content-Type: image/jpeg\r\n"
        length = int(answer.readline().split()[1])
        assert answer.readline() == b"\r\n"
        assert is_near(read_jpeg(answer.read(length)), COLORS["great_wave"])
        assert answer.readline() == b"\r\n"
    connection.close()


def test_names_of_files_stay_on_the_machine(tmp_path) -> None:
    from streamstyle.weights import STYLES

    file = tmp_path / "my_wave.safetensors"
    file.write_bytes(STYLES["great_wave"].path.read_bytes())
    gallery = Gallery([str(file), "ink"], "cpu")
    assert gallery.names == ["my_wave", "ink"] and str(tmp_path) not in json.dumps(gallery.cards())
    stylizer = gallery.stylizer()
    stylizer.change(style=gallery.resolve("my_wave+ink"))
    assert gallery.shares(stylizer.controls) == {"my_wave": 0.5, "ink": 0.5}
    assert gallery.without_paths(f"{file}: damaged") == "my_wave: damaged"


def test_thumbnails_are_the_sample_in_each_style(served) -> None:
    means = []
    for name in COLORS:
        status, headers, data = ask(served.url, "GET", f"/thumbnails/{name}.jpg?token={TOKEN}")
        assert status == 200 and headers["content-type"] == "image/jpeg"
        pixels = read_jpeg(data)
        assert pixels.shape == (180, 270, 3)
        means.append(pixels.std(axis=2).mean())
    assert means[0] > 3 * means[1]  # ink has no colors
    assert ask(served.url, "GET", f"/thumbnails/monet.jpg?token={TOKEN}")[0] == 404


def test_a_real_painter_paints() -> None:
    with studio() as made:
        del made._gallery.stylizer  # the double
        with Visitor(made) as visitor:
            visitor.say(want={"style": "ink", "keep_colors": 0})
            grey = visitor.paint(picture((200, 60, 30), (96, 64)))
            visitor.say(want={"bypass": True})
            assert grey.shape == (64, 96, 3)
            assert is_near(visitor.paint(picture((200, 60, 30), (96, 64))), (200, 60, 30))


def test_it_stops_at_once_and_quietly_while_all_are_at_it(capfd: pytest.CaptureFixture[str]) -> None:
    """A clip plays, a camera sleeps, an image is stylized, somebody watches the stream."""
    camera = Camera()
    with ExitStack() as stack:
        made = stack.enter_context(studio(camera))
        playing, waiting, painting = (stack.enter_context(Visitor(made)) for _ in range(3))
        assert playing.upload((SAMPLES / "harbour.mp4").read_bytes())[0] == 200
        viewer = http.client.HTTPConnection("127.0.0.1", made.port, timeout=10)
        viewer.request("GET", f"/stream.mjpg?token={TOKEN}")
        viewer.getresponse().readline()
        camera.sleeps = True
        waiting.say(input="machine")
        waiting.say(ready=True)
        playing.say(input="clip")
        for _ in range(5):
            playing.say(ready=True)
            playing.see()
            painting.paint(picture())
        playing.say(ready=True)
        painting.socket.send(picture())
        begin = time.monotonic()
        made.stop()
        assert time.monotonic() - begin < 4
        assert made._thread is not None and not made._thread.is_alive()
        viewer.close()
    assert capfd.readouterr().err == ""


def test_the_parts_of_a_mixture_are_offered() -> None:
    gallery = Gallery(["0.6*ink+0.4*udnie", "ink", "none"], "cpu")
    assert gallery.names == ["ink", "udnie"]
    assert gallery.resolve("0.5*udnie+0.5*ink") == "0.5*udnie+0.5*ink"


def test_the_page_offers_whatever_runs_live():
    """Another effect than `stylize` brings its own choices."""
    gallery = Gallery(["pattern"], "cpu", DreamSettings(layer="pattern", octaves=1, steps=1))
    assert gallery.cards() == [{"kind": "style", "name": "pattern", "label": "Pattern", "note": ""}]
    given = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    assert (gallery.stylizer()(given, 0.0) != given).any()
