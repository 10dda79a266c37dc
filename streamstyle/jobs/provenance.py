"""What made an output: the effect, its settings and the files that decide the result, by their hashes.

Outputs keep it among their own tags, and `rerun` reads it there; unfinished jobs keep it in their manifests.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from streamstyle import __version__
from streamstyle.errors import InputError
from streamstyle.settings import (
    SETTINGS,
    DreamSettings,
    RenderSettings,
    TransferSettings,
    ZoomSettings,
    make_settings,
)
from streamstyle.video.segments import file_hash
from streamstyle.video.tags import read_recipe
from streamstyle.weights import WEIGHTS

NOT_IN_RECIPES = {"start", "length", "threads", "device"}


def name_of_effect(settings: RenderSettings) -> str:
    """The name under which the kind of settings stands in SETTINGS."""
    return next(name for name, kind in SETTINGS.items() if type(settings) is kind)


def weights_hashes(settings: RenderSettings) -> dict[str, str]:
    """SHA-256 of the weights of each style or network, and of each file, that decides what is made."""
    names = names_in(settings)
    return {
        name: WEIGHTS[name].sha256 if name in WEIGHTS else file_hash(Path(name))
        for name in names
        if name in WEIGHTS or Path(name).is_file()
    }


def names_in(settings: RenderSettings) -> list[str]:
    """Names of styles, networks and files that occur in the settings."""
    names = settings.keyframes().styles()
    if isinstance(settings, DreamSettings):
        names = [re.split("[:~]", name, maxsplit=1)[-1] for name in names]  # of directions and guides
        names += [name for name in (settings.guide, settings.towards) if name]
    if isinstance(settings, ZoomSettings) and settings.sound:
        names.append(settings.sound)
    if isinstance(settings, TransferSettings):
        names += [text.partition("=")[2] for text in settings.style_mask]
    if isinstance(settings, DreamSettings | TransferSettings):
        names.append("features" if settings.features == "distilled" else settings.features)
    return names


def recipe_of(settings: RenderSettings) -> str:
    """What `rerun` needs to make a second film alike, as a line of JSON for the output's tags.

    Files are named as the user named them: where they lie is nobody's business who is given the film.
    """
    told = settings.model_dump(mode="json", exclude_defaults=True)
    # Where to stop, and how many threads there are, belongs to one film and one machine.
    told = {settings.MIXTURE: getattr(settings, settings.MIXTURE)} | {
        name: value for name, value in told.items() if name not in NOT_IN_RECIPES and value is not None
    }
    recipe = {"streamstyle": __version__, "effect": name_of_effect(settings), "settings": told}
    return json.dumps(recipe | {"weights": weights_hashes(settings)})


def recipe_settings(path: Path) -> RenderSettings:
    """The settings that a film or picture was made with.

    Raises:
        InputError: the file cannot be read, holds no recipe, or other weights than those are here now.
        UsageError: the recipe is of a version with other settings.
    """
    recipe = read_recipe(path)
    kind = SETTINGS.get(recipe.get("effect", "style"))
    if kind is None:
        raise InputError(f"{path}: was made with an effect that is not known here: {recipe['effect']}")
    settings = make_settings(recipe["settings"], str(path), kind)
    here = weights_hashes(settings)
    for name, sha256 in recipe.get("weights", {}).items():
        if here.get(name) != sha256:
            raise InputError(f"{path}: was made with other weights of {name} than there are here")
    return settings
