"""What made an output: the effect, its settings, and the files that decide the result, by their hashes.

Outputs keep it among their own tags, and `rerun` reads it there; unfinished jobs keep it in their manifests.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from streamstyle import __version__
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import InputError
from streamstyle.files import sha256_of
from streamstyle.image_formats import is_image
from streamstyle.optical_flow.files import SUFFIXES
from streamstyle.settings import make_settings
from streamstyle.video.tags import read_provenance
from streamstyle.weights import WEIGHTS, downloaded

OF_ONE_RUN = {"start", "length", "threads", "device", "provenance"}  # belong to one video or machine
FORMER_NAMES = {"style": "stylize"}  # of effects, in what version 0.1 wrote


def name_of_effect(settings: RenderSettings) -> str:
    """The name under which the settings' effect stands in EFFECTS."""
    return next(name for name, kind in EFFECTS.items() if type(settings) is kind)


def file_hashes(settings: RenderSettings) -> dict[str, str]:
    """SHA-256 of each style, network, file and folder that decides the result, by the settings' names."""
    return {name: sha256 for name in settings.files() if (sha256 := hash_of(name))}


def hash_of(name: str) -> str:
    """SHA-256 of bundled or downloaded weights, of a file, or of a folder's files; "" where there is none."""
    if name in WEIGHTS:
        return WEIGHTS[name].sha256
    path = downloaded(name) or Path(name)
    if path.is_file():
        return sha256_of(path)
    if not path.is_dir():
        return ""
    # Frames of a mask or a flow; whatever else lies there decides nothing.
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES or is_image(file)]
    listing = (f"{file.name} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256("".join(listing).encode()).hexdigest()


def provenance_of(settings: RenderSettings) -> str:
    """What `rerun` needs to make a second output alike, as a line of JSON for the output's tags; "" for none.

    Files are named as the user named them: whoever gets the output learns nothing of other folders.
    """
    if not settings.provenance:
        return ""
    told = settings.model_dump(mode="json", exclude_defaults=True)
    told = {name: value for name, value in told.items() if name not in OF_ONE_RUN and value is not None}
    if settings.MIXTURE:  # whatever the default is at that time
        told = {settings.MIXTURE: settings.mixture} | told
    provenance = {"streamstyle": __version__, "effect": name_of_effect(settings), "settings": told}
    return json.dumps(provenance | {"weights": file_hashes(settings)})


def settings_of_output(path: Path) -> RenderSettings:
    """The settings that a video or image was made with.

    Raises:
        InputError: the file cannot be read, was not made by streamstyle, or with other files than are here.
        UsageError: the provenance is of a version with other settings.
    """
    provenance = read_provenance(path)
    effect = str(provenance.get("effect", "style"))
    kind = EFFECTS.get(FORMER_NAMES.get(effect, effect))
    if kind is None:
        raise InputError(f"{path}: was made with an effect that is not known here: {effect}")
    settings = make_settings(provenance["settings"], kind, str(path))
    here = file_hashes(settings)
    for name, sha256 in provenance.get("weights", {}).items():
        if here.get(name) != sha256:
            raise InputError(f"{path}: was made with other weights of {name} than there are here")
    return settings
