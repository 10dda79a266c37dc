"""How an output was made, kept among its own tags: written on the way out, read by `rerun`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from streamstyle.errors import InputError
from streamstyle.video.opening import open_input

KEY = "streamstyle"  # the provenance is a JSON object whose first key is this, with the version
PLACES = ("comment", "description", "synopsis", KEY)  # tags that videos may have; the first free one is taken
EXIF_DESCRIPTION = 270


def with_provenance(tags: Mapping[str, str], provenance: str) -> dict[str, str]:
    """The tags of a video and its provenance. An older provenance gives way; other comments stay."""
    kept = {name: text for name, text in tags.items() if not is_provenance(text)}
    if provenance:
        taken = {name.lower() for name in kept}
        kept[next(place for place in PLACES if place not in taken)] = provenance
    return kept


def exif_with(provenance: str) -> bytes:
    """The EXIF block of an image that holds its provenance."""
    exif = Image.Exif()
    exif[EXIF_DESCRIPTION] = provenance
    return exif.tobytes()


def read_provenance(path: Path) -> dict[str, Any]:
    """The provenance of a video or image.

    Raises:
        InputError: the file cannot be read, or holds none.
    """
    for text in texts_of(path):
        if is_provenance(text):
            provenance: dict[str, Any] = json.loads(text)
            return provenance
    raise InputError(f"{path}: was not made by streamstyle, or without its settings")


def texts_of(path: Path) -> list[str]:
    """What the tags of a video, or the description of an image, say."""
    try:
        with Image.open(path) as picture:
            return [str(picture.getexif().get(EXIF_DESCRIPTION, ""))]
    except UnidentifiedImageError:
        pass
    except (OSError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    with open_input(str(path)) as video:
        return list(video.metadata.values())


def is_provenance(text: str) -> bool:
    """Whether a tag is provenance."""
    if not text.startswith(f'{{"{KEY}"'):
        return False
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and isinstance(found.get("settings"), dict)
