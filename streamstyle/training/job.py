"""A training that survives: its state is on disk every few seconds, and `resume` goes on with it.

Beside the output lies NAME.part with a manifest, the state, which holds everything a second run needs, and a
lock; and NAME.preview.png, which is drawn anew while training runs and stays.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from streamstyle.device import choose
from streamstyle.errors import InputError, OutputError, UsageError
from streamstyle.files import refuse_overwrite, sha256_of
from streamstyle.networks import StyleNet
from streamstyle.part_folder import PartFolder
from streamstyle.styles import load_style, save_style
from streamstyle.training.data import Photographs, TrainingImages, VideoFrames, painting_for
from streamstyle.training.loop import Diverged, Training, TrainingProgress
from streamstyle.training.preview import TrainingPreview
from streamstyle.training.recipe import Recipe, recipe_from
from streamstyle.training.scenes import Scenes
from streamstyle.weights import WEIGHTS, load_features
from streamstyle.weights.files import first_line, read_safetensors

SAVE_SECONDS = 5.0
PREVIEW_SECONDS = 15.0
MANIFEST = "training.jsonl"
_STATE = "training.safetensors"
_NEW_STATE = "training.new"
_LAST_GOOD = "last_good.safetensors"

OnProgress = Callable[[TrainingProgress], None]


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """What is to be trained.

    Attributes:
        painting: image file.
        photos: folder of photographs to paint, or "".
        video: video whose frames are to be stylized, or ""; without either, rendered scenes are.
        features: network that judges, a name or file; see `weights.load_features`.
        scratch: start at random, not from the base.
        device: where to train; see `device.choose`.
        about: title, painter, year and licence, as far as they are known.
    """

    painting: str
    photos: str = ""
    video: str = ""
    features: str = "distilled"
    scratch: bool = False
    device: str = "auto"
    about: Mapping[str, str] = field(default_factory=dict)


def train(
    order: TrainingJob,
    output: Path,
    recipe: Recipe,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Recipe:
    """Trains a style and writes it.

    Example:
        from pathlib import Path

        from streamstyle import Recipe, TrainingJob, train

        job = TrainingJob(painting="samples/painting.png")
        train(job, Path("mine.safetensors"), Recipe(steps=4, batch=1, crop=64))

    Args:
        order: what to train.
        output: weights file to write, .safetensors.
        recipe: how to train.
        overwrite: replace the output, and an unfinished training of it.
        on_progress: called after each step.

    Returns:
        The recipe with its steps, which gives the same network again.

    Raises:
        UsageError: the output or an unfinished training is there, or a name is unknown.
        InputError: painting, photographs, video or features are missing, unreadable or too small.
        OutputError: the output cannot be written, or another run is writing it.
        Diverged: the losses are no finite numbers; the last good network is kept.
    """
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: expected a name that ends in .safetensors")
    folder = PartFolder(output, MANIFEST)
    is_there = folder.is_there()
    if state_of(output).exists() and not overwrite:
        raise UsageError(
            f"{output}: an unfinished training is there; `streamstyle resume` goes on with it, -y starts anew"
        )
    # A preview beside the folder of a run that was stopped before its first state is that run's own.
    others = [output] if is_there else [output, preview_of(output)]
    for path in others:
        refuse_overwrite(path, overwrite)
    order = replace(
        order,
        painting=str(Path(order.painting).absolute()),
        photos=str(Path(order.photos).absolute()) if order.photos else "",
        video=str(Path(order.video).absolute()) if order.video else "",
        features=str(Path(order.features).absolute()) if Path(order.features).is_file() else order.features,
    )
    training, contents = prepared(order, recipe)
    if is_there:
        folder.lock()
    else:
        folder.create({})
    with cleared(folder):
        folder.delete([_STATE])
        return run(training, contents, order, folder, on_progress)


def resume_training(output: Path, *, on_progress: OnProgress | None = None) -> Recipe:
    """Goes on with an interrupted training; the result is that of an uninterrupted one.

    Raises:
        UsageError: there is nothing to go on with.
        InputError: the painting or the images are not those of the first run.
        StreamstyleError: as `train`.
    """
    folder = PartFolder(output, MANIFEST)
    if not folder.is_there() or not state_of(output).exists():
        raise UsageError(f"{output}: no unfinished training ({state_of(output)} is not there)")
    folder.lock()
    with cleared(folder):
        tensors, metadata = read_safetensors(state_of(output))
        try:
            values = json.loads(metadata["order"])
            order = TrainingJob(**{entry.name: values[entry.name] for entry in fields(TrainingJob)})
            recipe = recipe_from(json.loads(metadata["recipe"]), str(output))
            identity, threads = json.loads(metadata["identity"]), int(metadata["threads"])
        except (KeyError, ValueError, TypeError) as exc:
            raise InputError(f"{state_of(output)}: no state of a training: {exc}") from exc
        torch.set_num_threads(threads)  # sums depend on it, those of the painting too
        training, contents = prepared(order, recipe)
        for name, value in identity_of(order, contents).items():
            if identity.get(name) != value:
                raise InputError(f"{output}: {name} is not what the unfinished training began with")
        try:
            training.restore(tensors)
        except (KeyError, ValueError, RuntimeError) as exc:
            raise InputError(f"{state_of(output)}: no state of a training: {first_line(exc)}") from exc
        return run(training, contents, order, folder, on_progress)


def prepared(order: TrainingJob, recipe: Recipe) -> tuple[Training, TrainingImages]:
    """A training before its first step, and what it will look at."""
    painting = painting_for(Path(order.painting), recipe)
    contents: TrainingImages
    if order.photos and order.video:
        raise UsageError("photos and video are both given; one of them, please")
    if order.video:
        contents = VideoFrames(Path(order.video))
    else:
        contents = Photographs(Path(order.photos)) if order.photos else Scenes()
    base = None if order.scratch else load_style("base").network
    assert base is None or isinstance(base, StyleNet)
    features = load_features(order.features)
    return Training(painting, contents, features, recipe, base=base, device=choose(order.device)), contents


def run(
    training: Training,
    contents: TrainingImages,
    order: TrainingJob,
    folder: PartFolder,
    on_progress: OnProgress | None,
) -> Recipe:
    """Trains to the end with state and preview on disk, and writes the style."""
    output = folder.output
    identity = identity_of(order, contents)
    preview = TrainingPreview(
        preview_of(output), painting_for(Path(order.painting), training.recipe), contents
    )
    saved = drawn = time.monotonic()

    def keep() -> None:
        metadata = {
            "order": json.dumps(asdict(order)),
            "recipe": json.dumps(asdict(training.recipe)),
            "identity": json.dumps(identity),
            "threads": str(torch.get_num_threads()),
        }
        fresh = folder.path / _NEW_STATE
        try:
            save_file({key: value.contiguous() for key, value in training.state().items()}, fresh, metadata)
            fresh.replace(folder.path / _STATE)
        except (OSError, SafetensorError) as exc:
            raise OutputError(f"{state_of(output)}: cannot be written: {first_line(exc)}") from exc

    def after_step(progress: TrainingProgress) -> None:
        nonlocal saved, drawn
        if time.monotonic() - saved > SAVE_SECONDS:
            keep()
            saved = time.monotonic()
        if time.monotonic() - drawn > PREVIEW_SECONDS or progress.step == 1:
            preview.draw(training.network)
            drawn = time.monotonic()
        if on_progress is not None:
            on_progress(progress)

    try:
        network = training.run(after_step)
    except Diverged as exc:
        last = folder.path / _LAST_GOOD
        save_style(last, training.network, about_of(training.recipe, order, identity))
        raise Diverged(f"{output}: {exc}; the network of step {training.step} is kept as {last}") from exc
    preview.draw(training.network)
    save_style(folder.target, network, about_of(training.recipe, order, identity))
    return training.recipe


def about_of(recipe: Recipe, order: TrainingJob, identity: Mapping[str, str]) -> dict[str, str]:
    """What a trained file says about itself; of the painting's file only its name's stem and hash."""
    about = order.about
    return {
        "painting": about.get("title", Path(order.painting).stem),
        "painter": about.get("painter", ""),
        "year": str(about.get("year", 0)),
        "licence": about.get("licence", "that of whoever trained it; mind the rights in the painting"),
        "painting_sha256": identity["painting"],
        "base_sha256": identity["base"],
        "features": Path(order.features).name,
        "recipe": json.dumps(asdict(recipe)),
    }


def identity_of(order: TrainingJob, contents: TrainingImages) -> dict[str, str]:
    """Hashes that tell whether a second run would see the same."""
    return {
        "painting": sha256_of(Path(order.painting)),
        "contents": contents.identity,
        "features": sha256_of(Path(order.features)) if Path(order.features).is_file() else order.features,
        "base": "" if order.scratch else WEIGHTS["base"].sha256,
    }


def state_of(output: Path) -> Path:
    """The file that holds the state.

    Raises:
        UsageError: the output is there and is no ordinary file.
    """
    return PartFolder(output, MANIFEST).path / _STATE


def preview_of(output: Path) -> Path:
    """The sheet that shows how far the style is."""
    return output.with_suffix(".preview.png")


@contextmanager
def cleared(folder: PartFolder) -> Iterator[None]:
    """Gives up the lock of an unfinished training's folder at the end; after a clean end removes it."""
    try:
        yield
    except BaseException:
        folder.release()
        raise
    folder.remove([_STATE, _NEW_STATE, _LAST_GOOD])
