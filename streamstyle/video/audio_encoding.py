"""Re-encodes audio tracks that a container does not support."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from itertools import product
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream

from streamstyle.video.opening import DAMAGE

# What a layout is mixed down to if the encoder does not support it: the first that has no more channels.
_LAYOUTS = ("7.1", "6.1", "5.1", "5.0", "quad", "3.0", "stereo", "mono")

_VORBIS_HEADER, _VORBIS_CHANNELS = b"\x01vorbis", 11  # the field's offset (Vorbis I specification, 4.2.2)
# FFmpeg's order of channels; layouts with another one are custom.
_NATIVE_ORDER = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL",
    "TBC", "TBR", "DL", "DR", "WL", "WR", "SDL", "SDR", "LFE2", "TSL", "TSR", "BFC", "BFL", "BFR", "SSL",
    "SSR", "TTL", "TTR",
)  # fmt: skip


class EncodeAudio:
    """Decodes the packets of a track and encodes them again.

    The encoder gets the track's sample rate and channel layout, or the nearest that it supports.

    Args:
        container: open for writing, without any packets; the track is added to it.
        track: of the input.
        encoder: FFmpeg's name.

    Raises:
        FFmpegError, ValueError: there is no decoder for the track, or no setting that the encoder supports.
    """

    def __init__(self, container: OutputContainer, track: AudioStream, encoder: str) -> None:
        self._decoder = track.codec_context
        _refuse_custom_layout(self._decoder)
        _open_decoder(self._decoder)
        rate, layout = _settings(encoder, self._decoder)
        stream = container.add_stream(encoder, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        self.stream = stream
        self._context = stream.codec_context
        self._context.open()
        self._resampler: av.AudioResampler | None = None
        self._resampled: object = None  # what the resampler converts from

    def write(self, packet: av.Packet[Stream]) -> Iterable[av.Packet[Stream]]:
        """The packets that are ready after this one."""
        shifted = packet.pts
        for frame in self._decoder.decode(packet):
            if frame.pts is None:
                frame.pts, frame.time_base = shifted, packet.time_base
            yield from self._encode(frame)

    def flush(self) -> Iterable[av.Packet[Stream]]:
        """The packets that decoder and encoder still hold."""
        for frame in self._decoder.decode(None):
            yield from self._encode(frame)
        yield from self._end_resampling()
        if self._resampled is not None:  # some encoders cannot end before they began
            yield from self.stream.encode(None)

    def _encode(self, frame: av.AudioFrame) -> Iterator[av.Packet[Stream]]:
        if not frame.layout.nb_channels:
            return
        frame = _with_known_layout(frame)
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._resampled:  # broadcasts change from stereo to 5.1 and back
            yield from self._end_resampling()
            context = self._context
            self._resampler = av.AudioResampler(
                context.format, context.layout, context.sample_rate, context.frame_size or None
            )
            self._resampled = kind
        assert self._resampler is not None
        for resampled in self._resampler.resample(frame):
            yield from self.stream.encode(resampled)

    def _end_resampling(self) -> Iterator[av.Packet[Stream]]:
        if self._resampler is not None:
            for resampled in self._resampler.resample(None):
                yield from self.stream.encode(resampled)


def _open_decoder(decoder: AudioCodecContext) -> None:
    """Open it; a Vorbis header that says 0 channels gets the least number that fits its other fields."""
    try:
        decoder.open(strict=False)
        return
    except (*DAMAGE, OSError):
        header = decoder.extradata or b""
        at = header.find(_VORBIS_HEADER)
        if at < 0 or header[at + _VORBIS_CHANNELS]:
            raise
    for channels in range(1, 9):
        patched = bytearray(header)
        patched[at + _VORBIS_CHANNELS] = channels
        decoder.extradata = bytes(patched)
        try:
            decoder.open(strict=False)
        except (*DAMAGE, OSError):
            continue
        return
    raise ValueError("its header says 0 channels")


def _refuse_custom_layout(source: AudioCodecContext) -> None:
    """Refuse channels in an order of their own, as some MOV files have: PyAV frees their list twice."""
    layout = source.layout
    names = [channel.name for channel in layout.channels]
    places = [_NATIVE_ORDER.index(name) for name in names if name in _NATIVE_ORDER]
    if len(places) == len(names) and places == sorted(set(places)):
        return
    if not all(name.startswith(("NONE", "AMBI")) for name in names):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))  # never freed, also not at exit
        raise ValueError(f"its channels are in an unusual order: {layout.name}")


def _settings(encoder: str, source: AudioCodecContext) -> tuple[int, str]:
    """(sample rate, channel layout) for the encoder, the nearest to those of the source."""
    failure: BaseException | None = None
    for layout, rate in product(_layouts(source), _rates(encoder, source.sample_rate)):
        context = cast(AudioCodecContext, av.CodecContext.create(encoder, "w"))
        formats = context.codec.audio_formats
        assert formats
        context.sample_rate, context.layout, context.format = rate, layout, formats[0]
        try:
            context.open()
        except (*DAMAGE, OSError) as error:
            failure = error
        else:
            return rate, layout
    assert failure is not None
    raise failure


def _layouts(source: AudioCodecContext) -> list[str]:
    """The source's channel layout if it is known, and those to mix it down to."""
    channels = source.channels or 2  # of a damaged header; the frames will tell
    known = [source.layout.name] if _is_known(source.layout) else []
    default = [av.AudioLayout(f"{channels}c").name] if channels <= 8 else []
    return known + default + [name for name in _LAYOUTS if av.AudioLayout(name).nb_channels <= channels]


def _rates(encoder: str, rate: int) -> list[int]:
    """The source's sample rate or the nearest higher one that the encoder supports, and the usual one.

    Opus always works at 48 kHz inside.
    """
    supported = av.Codec(encoder, "w").audio_rates
    if not supported:
        return [rate or 48000]
    higher = sorted(candidate for candidate in supported if candidate >= rate) if rate else [48000]
    if encoder == "libopus":
        higher = [48000]
    return list(dict.fromkeys([*higher[:1], min(48000, max(supported))]))


def _is_known(layout: av.AudioLayout) -> bool:
    """Whether each channel has a position; some containers only store their number."""
    return layout.nb_channels > 0 and not any(
        channel.name.startswith(("NONE", "UNK", "UNSD", "AMBI", "USR")) for channel in layout.channels
    )


def _with_known_layout(frame: av.AudioFrame) -> av.AudioFrame:
    """The frame with the usual layout for its number of channels if it has none; at most 8 are kept."""
    if _is_known(frame.layout):
        return frame
    if frame.format.is_planar:  # PyAV reads past the last of more than 7 planes
        (frame,) = av.AudioResampler(frame.format.packed).resample(frame)
    channels = frame.layout.nb_channels
    kept = min(channels, 8)
    samples = frame.to_ndarray().reshape(-1, channels)[:, :kept].reshape(1, -1)
    layout = av.AudioLayout(f"{kept}c").name
    labelled = av.AudioFrame.from_ndarray(samples, frame.format.name, layout)
    labelled.sample_rate, labelled.pts = frame.sample_rate, frame.pts
    if frame.time_base is not None:
        labelled.time_base = frame.time_base
    return labelled
