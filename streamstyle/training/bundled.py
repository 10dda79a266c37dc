"""Training of the bundled styles: `python -m streamstyle.training.bundled PAINTINGS PHOTOS [NAME ...]`.

Each recipe in configs/styles identifies its painting by its hash; the file is looked up in PAINTINGS and in
samples/. Do not put photographs with which you evaluate styles into PHOTOS. Where a recipe has a table
[finish], the training goes on with its changes; where it has [[teacher]], too, it then imitates a large
network that is trained by those.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from streamstyle.device import choose
from streamstyle.errors import InputError
from streamstyle.files import sha256_of
from streamstyle.networks import StyleNet
from streamstyle.styles import load_style, save_style
from streamstyle.training.data import Photographs, painting_for
from streamstyle.training.job import TrainingJob, train
from streamstyle.training.loop import Training, TrainingProgress
from streamstyle.training.recipe import Recipe, read_recipes
from streamstyle.training.teacher import train_teacher
from streamstyle.weights import load_features, parameters_of
from streamstyle.weights.table import FOLDER, Entry, read_table, write_table

ROOT = Path(__file__).parents[2]
BASE = "base"  # its recipe is in the same folder, but `training.base` trains it
LOG = logging.getLogger("streamstyle")


def find_painting(sha256: object, folders: Iterable[Path]) -> Path:
    """The file with that hash.

    Raises:
        InputError: none of the folders has it.
    """
    folders = list(folders)
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.is_file() and sha256_of(path) == sha256:
                return path
    raise InputError(f"no file in {', '.join(map(str, folders))} has the hash {sha256}")


def entry_of(name: str, folder: Path = FOLDER) -> Entry:
    """The table entry of a trained style.

    Raises:
        InputError: the file is missing or is not a style network.
    """
    path = folder / f"{name}.safetensors"
    loaded = load_style(path)
    about = loaded.metadata
    return Entry(
        name=name,
        painting=about["painting"],
        painter=about["painter"],
        year=int(about["year"]),
        parameters=parameters_of(loaded.network),
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
    )


def train_bundled(recipe: Path, paintings: Path, photos: Path, folder: Path = FOLDER) -> Entry:
    """Trains one style into `folder`.

    Raises:
        StreamstyleError: as `train`, or the painting is not found.
    """
    settings, about, finish, teacher = read_recipes(recipe)
    painting = find_painting(about.pop("sha256", ""), (paintings, ROOT / "samples"))
    named = {name: str(value) for name, value in about.items()}
    job = TrainingJob(painting=str(painting), photos=str(photos), start="base", about=named)

    def log(progress: TrainingProgress) -> None:
        if progress.step % 500 == 0:
            LOG.info("%s: step %d of %s", recipe.stem, progress.step, progress.steps)

    output = folder / f"{recipe.stem}.safetensors"
    train(job, output, settings, overwrite=True, on_progress=log)
    output.with_suffix(".preview.png").unlink(missing_ok=True)
    if finish is not None:
        go_on(output, painting, photos, finish, log, teacher=teacher)
    return entry_of(recipe.stem, folder)


def go_on(
    style: Path,
    painting: Path,
    photos: Path,
    recipe: Recipe,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    *,
    teacher: Sequence[Recipe] = (),
) -> None:
    """Trains a style further by another recipe, and replaces it.

    With recipes for a teacher, one is trained first, and its results are imitated.

    Raises:
        StreamstyleError: as `train`.
    """
    loaded = load_style(style)
    assert isinstance(loaded.network, StyleNet)
    large = train_teacher(painting, photos, teacher, on_progress) if teacher else None
    target = painting_for(painting, recipe)
    images, device = Photographs(photos), choose("auto")
    training = Training(
        target, images, load_features(), recipe, base=loaded.network, teacher=large, device=device
    )
    network = training.run(on_progress)
    about = {**loaded.metadata, "first_recipe": loaded.metadata["recipe"]}
    if teacher:
        about["teacher_recipes"] = json.dumps([asdict(each) for each in teacher])
    save_style(style, network, {**about, "recipe": json.dumps(asdict(training.recipe))})


def main() -> None:
    """The command line: train the styles, and rewrite the table after each one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paintings", type=Path, help="folder that contains the paintings")
    parser.add_argument("photos", type=Path, help="folder of photographs to train on")
    parser.add_argument("names", nargs="*", help="names of the styles; by default all")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipes = {path.stem: path for path in sorted((ROOT / "configs" / "styles").glob("*.toml"))}
    recipes.pop(BASE)
    for name in options.names or recipes:
        entry = train_bundled(recipes[name], options.paintings, options.photos)
        write_table({**read_table(), name: entry})


if __name__ == "__main__":
    main()
