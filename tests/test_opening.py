"""Only the named input is opened."""

from pathlib import Path

import pytest

from streamstyle.errors import InputError
from streamstyle.video.opening import is_url, open_input
from tests.videos import make_video

PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{video}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{video}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("name", ["holiday.mp4", "list.m3u8", "list.sdp", "list.txt"])
def test_playlists_are_refused_under_any_name(kind: str, name: str, tmp_path: Path) -> None:
    make_video(tmp_path / "video.ts", 10)
    (tmp_path / name).write_text(PLAYLISTS[kind].format(video="video.ts"))
    with pytest.raises(InputError, match=r"not a video or an image that can be read"):
        open_input(str(tmp_path / name))


def test_the_video_that_a_playlist_names_is_fine_itself(tmp_path: Path) -> None:
    open_input(str(make_video(tmp_path / "video.ts", 10))).close()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.mp4", "no such file"),
        ("folder", "not a regular file"),
        ("empty.mp4", "the file is empty"),
        ("text.mp4", "not a video or an image that can be read"),
        ("concat:a.mp4|b.mp4", "no such file"),
        ("file:///etc/hostname", "this kind of URL is not supported"),
        ("subfile,,start,0,end,9,,:a.mp4", "no such file"),
    ],
)
def test_refusals_name_the_input_and_the_reason(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("just text\n" * 100)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        open_input(name)
    assert reason in str(caught.value) and str(caught.value).startswith(name)


def test_only_known_schemes_are_urls() -> None:
    assert is_url("https://example.org/a.mp4") and is_url("rtsp://camera/1")
    assert not any(map(is_url, ("file:///a", "ftp://a/b", "a.mp4", "C:/video.mp4", "data:,x")))
