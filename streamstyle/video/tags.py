"""Provenance: how an output was made, stored in its tags by the sinks and read by `rerun`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from streamstyle.errors import InputError
from streamstyle.video.opening import open_input

KEY = "streamstyle"  # the provenance is a JSON object whose first key is this, with the version
# The first of these tags that a video does not use yet gets the provenance, then "streamstyle2" and so on.
PROVENANCE_TAGS = ("comment", "description", "synopsis", KEY)
EXIF_DESCRIPTION = 270


def with_provenance(tags: Mapping[str, str], provenance: str) -> dict[str, str]:
    """The tags of a video with its provenance added. An older provenance is replaced; other tags are kept."""
    kept = {name: text for name, text in tags.items() if not is_provenance(text)}
    if provenance:
        used = {name.lower() for name in kept}
        names = chain(PROVENANCE_TAGS, (f"{KEY}{number}" for number in count(2)))
        kept[next(name for name in names if name not in used)] = provenance
    return kept


def exif_with(provenance: str) -> bytes:
    """An EXIF block with the provenance as image description."""
    exif = Image.Exif()
    exif[EXIF_DESCRIPTION] = provenance
    return exif.tobytes()


def read_provenance(path: Path) -> dict[str, Any]:
    """The provenance of a video or image.

    Raises:
        InputError: the file cannot be read, or has no provenance.
    """
    for text in tag_texts(path):
        if is_provenance(text):
            provenance: dict[str, Any] = json.loads(text)
            return provenance
    raise InputError(f"{path}: was not made by streamstyle, or its settings were not stored")


def tag_texts(path: Path) -> list[str]:
    """The values of the tags of a video, or the description of an image."""
    try:
        with Image.open(path) as image:
            return [str(image.getexif().get(EXIF_DESCRIPTION, ""))]
    except UnidentifiedImageError:
        pass
    except Exception as error:  # damage raises many kinds of exceptions, by format
        raise InputError(f"{path}: cannot be read: {error}") from error
    with open_input(str(path)) as video:
        return list(video.metadata.values())


def is_provenance(text: str) -> bool:
    """Whether the text of a tag is provenance."""
    if not text.startswith(f'{{"{KEY}"'):
        return False
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and isinstance(value.get("settings"), dict)
