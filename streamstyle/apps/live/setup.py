"""Makes the parts of a live session from its settings."""

from __future__ import annotations

from pathlib import Path

from streamstyle.apps.live.controls import Controls
from streamstyle.apps.live.output import Output
from streamstyle.apps.live.settings import LiveSettings, PageSettings
from streamstyle.apps.live.stylizer import Stylizer
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import UsageError, did_you_mean
from streamstyle.files import refuse_same_file
from streamstyle.image_recognition import images_in
from streamstyle.options import load_preset, make_settings
from streamstyle.sinks import WriteOptions, sink_for
from streamstyle.sinks.pipe import PipeSink
from streamstyle.sinks.recording import OPTIONS, RecordingSink, check_recording
from streamstyle.sinks.virtual_camera import VirtualCameraSink, loaded
from streamstyle.sources.camera import camera_kind, open_camera
from streamstyle.video.opening import is_url


def chosen_effect(settings: PageSettings) -> RenderSettings:
    """The settings of the requested effect.

    Raises:
        UsageError: there is no such effect, or it cannot run live.
    """
    name, preset = settings.effect, settings.config
    if isinstance(settings, LiveSettings) and settings.dream is not None:
        name, preset = "dream", settings.dream
    kind = EFFECTS.get(name)
    runs = [effect for effect, each in EFFECTS.items() if each.LIVE]
    if kind is None or not kind.LIVE:
        hint = did_you_mean(name, runs)
        raise UsageError(f"--effect {name}: expected one that runs live{hint}: {', '.join(runs)}")
    if settings.style and kind.MIXTURE != "style":
        flag = "--dream" if preset is not None and name == "dream" else f"--effect {name}"
        raise UsageError(f"{flag}: takes no --style")
    values = load_preset(preset, kind) if preset is not None else {}
    if "runner" in settings.model_fields_set and "runner" in kind.model_fields:
        values["runner"] = settings.runner
    return make_settings(values, kind, preset or "")


def open_stylizer(settings: LiveSettings, effect: RenderSettings) -> Stylizer:
    """The stylizer that applies the effect, with the initial controls.

    Raises:
        StreamstyleError: a value is not allowed, or something cannot be loaded.
    """
    values = settings.model_dump(include={"strength", "keep_colors", "stroke_size", "steady", "mirror"})
    mixtures = settings.style or (effect.mixture,)
    controls = Controls(style=mixtures[0], **values)
    choices = [*mixtures, *effect.choices()]
    return Stylizer(effect, choices, controls, device=settings.device, fps=settings.target)


def check_inputs(settings: LiveSettings, record: Path | None, overwrite: bool) -> None:
    """Check camera and recording in advance, except for a camera that may still be plugged in later.

    Raises:
        UsageError: an option is wrong.
        InputError: a file does not exist, or is no video or image; or there are no paintings.
    """
    if not camera_kind(settings.camera).waits:
        with open_camera(settings.camera):
            pass
    if settings.styles is not None:
        images_in(Path(settings.styles))
    if record is not None:
        refuse_same_file(settings.camera, record)
    if record is not None and not sink_for(record).LIVE:
        check_recording(record, overwrite=overwrite)


def recorder(path: Path, overwrite: bool) -> Output:
    """An output that records to a video, or to another sink of SINKS that supports live frames."""
    kind = sink_for(path)
    if kind.LIVE:
        return Output(str(path), lambda info: kind.open(str(path), info, WriteOptions(overwrite=overwrite)))
    return Output(str(path), lambda info: RecordingSink(path, info, overwrite=overwrite))


def open_outputs(settings: LiveSettings) -> list[Output]:
    """The virtual camera and the URL, if requested; both are opened with the first frame.

    Raises:
        UsageError: the extra is missing, or the URL cannot be streamed to.
    """
    outputs, url = [], settings.url
    if settings.virtual_camera:
        loaded()
        outputs.append(Output("--virtual-camera", VirtualCameraSink))
    if url is not None:
        if not is_url(url):
            raise UsageError(f"--url {url}: expected rtmp://, rtmps://, rtsp://, udp:// or tcp://")
        outputs.append(Output(url, lambda info: PipeSink(url, info, OPTIONS), again=True))
    return outputs
