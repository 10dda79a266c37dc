"""Training jobs: the state is saved every few seconds, so that an interrupted training can be resumed.

Next to the output, the folder NAME.part contains a manifest, a lock, and the state with everything that a
second run needs. NAME.preview.png is redrawn during training and remains afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from streamstyle.arbitrary_styles import predicted_network
from streamstyle.device import choose
from streamstyle.errors import InputError, OutputError, UsageError
from streamstyle.files import places_after_move, refuse_overwrite, refuse_same_file, sha256_of
from streamstyle.networks import StyleNet
from streamstyle.part_folder import PartFolder
from streamstyle.styles import load_style, save_style
from streamstyle.training.data import Photographs, TrainingImages, VideoFrames, painting_for
from streamstyle.training.loop import Training, TrainingProgress
from streamstyle.training.optimization import Diverged
from streamstyle.training.pairs import Pairs
from streamstyle.training.preview import TrainingPreview
from streamstyle.training.recipe import Recipe, recipe_from
from streamstyle.training.scenes import Scenes
from streamstyle.weights import WEIGHTS, load_features
from streamstyle.weights.predictor import PREDICTOR
from streamstyle.weights.weights_files import first_line, read_safetensors

SAVE_SECONDS = 5.0
PREVIEW_SECONDS = 15.0
MANIFEST = "training.jsonl"
_STATE = "training.safetensors"
_NEW_STATE = "training.new"
_LAST_GOOD = "last_good.safetensors"

STARTS = ("predicted", "base", "random")

OnProgress = Callable[[TrainingProgress], None]


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A style to train, and the data to train it on.

    Attributes:
        painting: image file of the style painting.
        photos: folder of photographs as content images, or "".
        video: video whose frames are the content images, or ""; without either, rendered scenes are used.
        pairs: image files of frames, each with its version painted by hand, which the network learns to make
            of it; instead of content images. Then `painting` is one of the painted ones.
        features: network for the perceptual loss, a name or file; see `weights.load_features`.
        start: "predicted": from the network predicted for the painting; "base": from the base network;
            "random": from random weights.
        device: where to train; see `device.choose`.
        about: title, painter, year and licence, as far as they are known.
    """

    painting: str
    photos: str = ""
    video: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    features: str = "distilled"
    start: str = "predicted"
    device: str = "auto"
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pairs = tuple((frame, painted) for frame, painted in self.pairs)  # JSON gives lists
        object.__setattr__(self, "pairs", pairs)
        if self.start not in STARTS:
            raise UsageError(f"start is {self.start!r}, expected {', '.join(STARTS[:-1])} or {STARTS[-1]}")

    def files(self) -> list[str]:
        """All files and folders that are read; also the names of networks that are none."""
        named = self.painting, self.photos, self.video, self.features
        return [*filter(None, named), *(file for pair in self.pairs for file in pair)]


def train(
    job: TrainingJob,
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
        job: what to train.
        output: weights file to write, .safetensors.
        recipe: how to train.
        overwrite: replace an existing output or unfinished training.
        on_progress: called after each step.

    Returns:
        The recipe with the number of steps, which reproduces the network.

    Raises:
        UsageError: the output or an unfinished training exists, or a name is unknown.
        InputError: painting, photographs, video or features are missing, unreadable or too small.
        OutputError: the output cannot be written, or another run is writing it.
        Diverged: the losses are not finite; the last good network is kept.
    """
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: expected a name that ends in .safetensors")
    folder = PartFolder(output, MANIFEST)
    is_there = folder.is_there()
    if state_of(output).exists() and not overwrite:
        raise UsageError(
            f"{output}: has an unfinished training; `streamstyle resume` continues it, -y starts anew"
        )
    # If a run was stopped before its first state, the preview next to its folder is its own.
    others = [output] if is_there else [output, preview_of(output)]
    for path in others:
        refuse_overwrite(path, overwrite)
    for written in (output, preview_of(output)):
        for read in job.files():
            refuse_same_file(read, written)
    job = replace(
        job,
        painting=str(Path(job.painting).absolute()),
        photos=str(Path(job.photos).absolute()) if job.photos else "",
        video=str(Path(job.video).absolute()) if job.video else "",
        features=str(Path(job.features).absolute()) if Path(job.features).is_file() else job.features,
        pairs=tuple((str(Path(a).absolute()), str(Path(b).absolute())) for a, b in job.pairs),
    )
    training, images = prepared(job, recipe)
    if is_there:
        folder.lock()
    else:
        folder.create({})
    with cleared(folder):
        folder.delete([_STATE])
        return run(training, images, job, folder, on_progress)


def resume_training(
    output: Path, *, painting: str | Path | None = None, on_progress: OnProgress | None = None
) -> Recipe:
    """Resumes an interrupted training.

    On a CPU the result is the same as without interruption, bit for bit; on CUDA it looks alike, as rounding
    differs in each run (see `Training`).

    Args:
        output: the weights file that was to be written.
        painting: where the painting is now, if it is not found. It and the other files are looked for where
            they were, where they are if they were moved along with the job folder, and beside it.
        on_progress: called after each step.

    Raises:
        UsageError: there is nothing to resume.
        InputError: the state is damaged, or the painting or the content images are missing or differ from
            those of the first run.
        StreamstyleError: as `train`.
    """
    folder = PartFolder(output, MANIFEST)
    if not folder.is_there() or not state_of(output).exists():
        raise UsageError(f"{output}: no unfinished training ({state_of(output)} does not exist)")
    folder.lock()
    with cleared(folder):
        tensors, metadata = read_safetensors(state_of(output))
        try:
            if metadata.pop("sha256") != hash_of_state(tensors, metadata):
                raise ValueError("it has changed since it was written")
            values = json.loads(metadata["order"])
            job = TrainingJob(**{entry.name: values[entry.name] for entry in fields(TrainingJob)})
            recipe = recipe_from(json.loads(metadata["recipe"]), str(output))
            identity, threads = json.loads(metadata["identity"]), int(metadata["threads"])
            before = metadata["folder"]
        except (KeyError, ValueError, TypeError) as exc:
            raise InputError(f"{state_of(output)}: not a training state, or damaged: {exc}") from exc
        if painting is not None:
            job = replace(job, painting=str(Path(painting).absolute()))
        job = with_moved_files(job, before, identity, folder)
        torch.set_num_threads(threads)  # rounding depends on it, also for the painting
        training, images = prepared(job, recipe)
        for name, value in identity_of(job, images).items():
            if identity.get(name) != value:
                changed = "content images" if name == "contents" else name
                raise InputError(f"{output}: {changed} changed since the training was started")
        try:
            training.restore(tensors)
        except (KeyError, ValueError, RuntimeError) as exc:
            raise InputError(f"{state_of(output)}: not a training state: {first_line(exc)}") from exc
        return run(training, images, job, folder, on_progress)


def with_moved_files(
    job: TrainingJob, before: str, identity: Mapping[str, str], folder: PartFolder
) -> TrainingJob:
    """The job with the present paths of files that were moved along with its folder.

    Args:
        job: as it was started.
        before: the path of the output's folder then.
        identity: the hashes of its files; see `identity_of`.
        folder: of the job, now.

    Raises:
        InputError: a file is missing.
    """

    def place_of(file: str, sha256: str | None) -> str:
        if not Path(file).is_absolute():
            return file  # the name of a network, or ""
        places = [
            place for place in places_after_move(file, before, folder.path.parent) if os.path.exists(place)
        ]
        if not places:
            raise InputError(
                f"{file}: no such file or folder; move it back, or beside {folder.output}, or name a "
                "painting with --input FILE"
            )
        same = (place for place in places if place.is_file() and sha256_of(place) == sha256)
        return str(next(same, places[0]))

    return replace(
        job,
        painting=place_of(job.painting, identity.get("painting")),
        photos=place_of(job.photos, None),
        video=place_of(job.video, identity.get("contents")),
        features=place_of(job.features, identity.get("features")),
        pairs=tuple((place_of(frame, None), place_of(painted, None)) for frame, painted in job.pairs),
    )


def hash_of_state(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of a training state, which is stored in it: a state with an error would train on unnoticed."""
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].contiguous().flatten().view(torch.uint8).cpu().numpy().tobytes())
    return digest.hexdigest()


def prepared(job: TrainingJob, recipe: Recipe) -> tuple[Training, TrainingImages]:
    """A training before its first step, and its content images."""
    painting = painting_for(Path(job.painting), recipe)
    images: TrainingImages
    given = [name for name in ("photos", "video", "pairs") if getattr(job, name)]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are both given; use only one of them")
    if job.pairs:
        images = Pairs([(Path(frame), Path(painted)) for frame, painted in job.pairs])
    elif job.video:
        images = VideoFrames(Path(job.video))
    else:
        images = Photographs(Path(job.photos)) if job.photos else Scenes()
    features = load_features(job.features)
    base = first_network(job, painting)
    return Training(painting, images, features, recipe, base=base, device=choose(job.device)), images


def first_network(job: TrainingJob, painting: Tensor) -> StyleNet | None:
    """The network that a training starts from; None: random weights."""
    if job.start == "random":
        return None
    # What pairs show is not known to the predictor, which has seen whole paintings only.
    if job.start == "predicted" and not job.pairs:
        return predicted_network(painting)
    base = load_style("base").network
    assert isinstance(base, StyleNet)
    return base


def run(
    training: Training,
    images: TrainingImages,
    job: TrainingJob,
    folder: PartFolder,
    on_progress: OnProgress | None,
) -> Recipe:
    """Trains to the end, saving state and preview to disk, and writes the style."""
    output = folder.output
    identity = identity_of(job, images)
    preview = TrainingPreview(preview_of(output), painting_for(Path(job.painting), training.recipe), images)
    saved = drawn = time.monotonic()

    def save_state() -> None:
        metadata = {
            "order": json.dumps(asdict(job)),
            "recipe": json.dumps(asdict(training.recipe)),
            "identity": json.dumps(identity),
            "threads": str(torch.get_num_threads()),
            "folder": str(folder.path.parent),
        }
        tensors = {key: value.contiguous() for key, value in training.state().items()}
        metadata["sha256"] = hash_of_state(tensors, metadata)
        fresh = folder.path / _NEW_STATE
        try:
            save_file(tensors, fresh, metadata)
            fresh.replace(folder.path / _STATE)
        except (OSError, SafetensorError) as exc:
            raise OutputError(f"{state_of(output)}: cannot be written: {first_line(exc)}") from exc

    def after_step(progress: TrainingProgress) -> None:
        nonlocal saved, drawn
        if time.monotonic() - saved > SAVE_SECONDS:
            save_state()
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
        save_style(last, training.network, about_of(training.recipe, job, identity))
        raise Diverged(f"{output}: {exc}; the network of step {training.step} is kept as {last}") from exc
    preview.draw(training.network)
    save_style(folder.target, network, about_of(training.recipe, job, identity))
    return training.recipe


def about_of(recipe: Recipe, job: TrainingJob, identity: Mapping[str, str]) -> dict[str, str]:
    """Metadata of a trained style. Of the painting's path it contains only the stem of the file name."""
    about = job.about
    return {
        "painting": about.get("title", Path(job.painting).stem),
        "painter": about.get("painter", ""),
        "year": str(about.get("year", 0)),
        "licence": about.get("licence", "that of whoever trained it; mind the rights in the painting"),
        "painting_sha256": identity["painting"],
        "base_sha256": identity["base"],
        "start": job.start,
        "features": Path(job.features).name,
        "recipe": json.dumps(asdict(recipe)),
    }


def identity_of(job: TrainingJob, images: TrainingImages) -> dict[str, str]:
    """Hashes of the inputs, to check that a resumed run uses the same ones."""
    return {
        "painting": sha256_of(Path(job.painting)),
        "contents": images.identity,
        "features": sha256_of(Path(job.features)) if Path(job.features).is_file() else job.features,
        "base": "" if job.start == "random" else WEIGHTS["base"].sha256,
        "predictor": WEIGHTS[PREDICTOR].sha256 if job.start == "predicted" and not job.pairs else "",
    }


def state_of(output: Path) -> Path:
    """The file with the training state.

    Raises:
        UsageError: the output exists and is not a regular file.
    """
    return PartFolder(output, MANIFEST).path / _STATE


def unfinished_training(output: Path) -> Path | None:
    """The folder from which a training can be resumed; None if there is none, or another run is writing it.

    Raises:
        UsageError, OutputError: something else has its name, or it cannot be read.
    """
    folder = PartFolder(output, MANIFEST)
    return folder.path if folder.is_idle() and (folder.path / _STATE).exists() else None


def preview_of(output: Path) -> Path:
    """Path of the preview sheet."""
    return output.with_suffix(".preview.png")


@contextmanager
def cleared(folder: PartFolder) -> Iterator[None]:
    """Removes the folder of an unfinished training after success; after an error only releases its lock."""
    try:
        yield
    except BaseException:
        folder.release()
        raise
    folder.remove([_STATE, _NEW_STATE, _LAST_GOOD])
