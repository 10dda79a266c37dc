"""Weights files: reading, writing, downloading, and loading into a network. Every file is validated.

Files are safetensors. A .pth file from elsewhere is read with `weights_only`, so it cannot run code.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from streamstyle.errors import InputError
from streamstyle.files import sha256_of, write_whole

LARGEST_FILE = 64 * 2**20  # bytes, for styles; the largest style network, Johnson's, has a tenth of it


def write_network(path: Path, network: nn.Module, metadata: Mapping[str, str]) -> None:
    """Writes a network's tensors in half precision, atomically.

    Raises:
        OutputError: the file cannot be written.
        ValueError: a weight is not finite in half precision.
    """
    tensors = {key: value.half() for key, value in network.state_dict().items()}
    if broken := [key for key, value in tensors.items() if not torch.isfinite(value).all()]:
        raise ValueError(f"weights are not finite: {', '.join(broken)}")
    write_safetensors(path, tensors, metadata)


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes tensors unchanged, atomically; an existing file is replaced.

    Raises:
        OutputError: the file cannot be written.
    """
    data = save({key: value.detach().contiguous() for key, value in tensors.items()}, metadata=dict(metadata))
    write_whole(path, data)


def read_safetensors(path: Path, largest: int = LARGEST_FILE) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file.

    Raises:
        InputError: the file is missing, too large or damaged.
    """
    check_size(path, largest)
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as exc:
        raise InputError(f"{path}: not a safetensors file, or damaged ({first_line(exc)})") from exc


def read_checkpoint(path: Path, largest: int = LARGEST_FILE) -> dict[str, Tensor]:
    """Tensors of a PyTorch checkpoint. Code in it is never run.

    Raises:
        InputError: the file is missing, too large, damaged, or contains anything but named tensors.
    """
    check_size(path, largest)
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as exc:  # damaged pickles raise anything: IndexError, struct.error …
        # Torch's own words advise to load the file unsafely.
        raise InputError(
            f"{path}: damaged, or not a checkpoint of tensors alone; expected the state_dict of a network"
        ) from exc
    if not isinstance(tensors, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in tensors.items()
    ):
        raise InputError(f"{path}: contains something other than named tensors")
    return tensors


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Loads tensors into a network; names and shapes must match exactly.

    Raises:
        InputError: a tensor is missing, unknown, of another shape, or not finite; the message names it.
    """
    own = network.state_dict()
    expected = {key: value for key, value in own.items() if value.is_floating_point()}
    # Batch normalization counts its batches; nothing depends on the count, and older files lack it.
    tensors = {key: value for key, value in tensors.items() if key not in own or key in expected}
    if missing := [key for key in expected if key not in tensors]:
        raise InputError(f"{path}: lacks {shortened(missing)}")
    if unknown := [key for key in tensors if key not in expected]:
        raise InputError(f"{path}: has unknown tensors {shortened(unknown)}")
    for key, value in tensors.items():
        if value.shape != expected[key].shape:
            raise InputError(
                f"{path}: {key} has shape {tuple(value.shape)}, expected {tuple(expected[key].shape)}"
            )
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise InputError(f"{path}: {key} contains values that are not finite numbers")
    network.load_state_dict({key: value.float() for key, value in tensors.items()}, strict=False)


def fetch(url: str, folder: Path, *, sha256: str = "") -> Path:
    """The local copy of a file from a URL, downloaded if it does not exist yet.

    Args:
        url: of the file. Without `sha256` its name must contain the start of the hash, as torchvision's do.
        folder: where copies are stored.
        sha256: of the file, in hexadecimal.

    Raises:
        InputError: the file cannot be downloaded, or has another hash; the message says where to put it
            manually.
    """
    name = url.rpartition("/")[2]
    prefix = sha256 or Path(name).stem.rpartition("-")[2]
    path = folder / name
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Writes to a temporary name, compares the hash, and renames.
        torch.hub.download_url_to_file(url, os.fspath(path), hash_prefix=prefix, progress=False)
    except (URLError, OSError, RuntimeError, ValueError) as exc:
        raise InputError(
            f"{url}: cannot be downloaded: {first_line(exc)}; get it by other means and put it at {path}"
        ) from exc
    return path


def check_sha256(path: Path, expected: str) -> None:
    """Checks the hash of a bundled file.

    Raises:
        InputError: the file is missing, or differs from the one that was shipped.
    """
    if sha256_of(path) != expected:
        raise InputError(f"{path}: is not the file that was shipped; reinstall streamstyle")


def check_size(path: Path, largest: int) -> None:
    """Checks that a path is a file, and small enough to read into memory.

    Raises:
        InputError: it is not.
    """
    try:
        size = path.stat().st_size
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror}") from exc
    if not path.is_file():
        raise InputError(f"{path}: is not a file")
    if size > largest:
        raise InputError(f"{path}: has {size} bytes, expected at most {largest}")


def first_line(exc: BaseException) -> str:
    """The first line of an error's message, or the name of its type."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def shortened(names: list[str], most: int = 3) -> str:
    """The first few names of a list, and the number of the others."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
