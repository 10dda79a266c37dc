"""Provenance: the effect, its settings, and the hashes of the files that determine an output.

It is stored in the output's metadata, where `rerun` reads it, and in the manifest of an unfinished job.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from streamstyle import __version__
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import InputError
from streamstyle.files import sha256_of
from streamstyle.image_recognition import is_image
from streamstyle.optical_flow.flow_files import SUFFIXES
from streamstyle.options import make_settings
from streamstyle.video.tags import read_provenance
from streamstyle.weights import WEIGHTS, downloaded

# Settings that belong to one video or machine, and are not stored.
OF_ONE_RUN = {"start", "length", "threads", "device", "provenance"}
FORMER_NAMES = {"style": "stylize"}  # of effects, as written by version 0.1


def name_of_effect(settings: RenderSettings) -> str:
    """The name in EFFECTS of the effect that these settings configure."""
    return next(name for name, kind in EFFECTS.items() if type(settings) is kind)


def file_hashes(settings: RenderSettings) -> dict[str, str]:
    """SHA-256 of each style, network, file and folder that determines the result, by its name in settings."""
    return {name: sha256 for name in settings.files() if (sha256 := hash_of(name))}


def hash_of(name: str) -> str:
    """SHA-256 of bundled or downloaded weights, a file, or a folder's files; "" if there is none."""
    if name in WEIGHTS:
        return WEIGHTS[name].sha256
    path = downloaded(name) or Path(name)
    if os.path.isfile(path):
        return sha256_of(path)
    if not os.path.isdir(path):
        return ""
    # Only mask frames and flow files count; other files do not affect the result.
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES or is_image(file)]
    listing = (f"{file.name} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256("".join(listing).encode()).hexdigest()


def provenance_of(settings: RenderSettings) -> str:
    """The provenance for an output's metadata, as one line of JSON; "" if it is turned off.

    Files are named as the user named them, so the output does not reveal absolute paths.
    """
    if not settings.provenance:
        return ""
    values = settings.model_dump(mode="json", exclude_defaults=True)
    values = {name: value for name, value in values.items() if name not in OF_ONE_RUN and value is not None}
    if settings.MIXTURE:  # stored even if it is the default, which may change
        values = {settings.MIXTURE: settings.mixture} | values
    provenance = {"streamstyle": __version__, "effect": name_of_effect(settings), "settings": values}
    return json.dumps(provenance | {"weights": file_hashes(settings)})


def settings_of_output(path: Path) -> RenderSettings:
    """The settings in the provenance of a video or image.

    Raises:
        InputError: the file cannot be read, has no provenance, or was made with files that differ from
            those on this machine.
        UsageError: the provenance is from a version with other settings.
    """
    provenance = read_provenance(path)
    effect = str(provenance.get("effect", "style"))
    kind = EFFECTS.get(FORMER_NAMES.get(effect, effect))
    if kind is None:
        raise InputError(f"{path}: was made with an unknown effect: {effect}")
    settings = make_settings(provenance["settings"], kind, str(path))
    local = file_hashes(settings)
    for name, sha256 in provenance.get("weights", {}).items():
        if local.get(name) != sha256:
            raise InputError(f"{path}: was made with a version of {name} that differs from the one here")
    return settings
