"""Trained weights: what is bundled, and loading, saving and fetching of files.

`table.toml` beside this file is the list of bundled weights; README.md holds their model cards.
Files are safetensors, in half precision, with all they need to be read in their metadata. A foreign
.pth is read with `weights_only`, so that it cannot run code. Nothing is believed before it is checked.
"""

from __future__ import annotations

import hashlib
import math
import os
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from streamstyle.errors import InputError, OutputError, UsageError
from streamstyle.networks import FEATURE_NETWORKS, Johnson, MobileNet, StyleNet
from streamstyle.networks.features import FeatureNetwork
from streamstyle.networks.johnson import without_running_statistics

FOLDER = Path(__file__).parent
DEFAULT_STYLE = "starry_night"
LARGEST_FILE = 64 * 2**20  # bytes; the largest network we know, VGG apart, has a tenth of it
LARGEST_SIZE = 512  # channels or blocks that a file may ask for


@dataclass(frozen=True)
class Entry:
    """One bundled file.

    Attributes:
        name: what `--style` calls it; the file is NAME.safetensors.
        painting, painter, year: what it was trained on; "" and 0 for the base.
        parameters: number of them.
        bytes, sha256: of the file.
    """

    name: str
    painting: str
    painter: str
    year: int
    parameters: int
    bytes: int
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return FOLDER / f"{self.name}.safetensors"


def read_table(path: Path = FOLDER / "table.toml") -> dict[str, Entry]:
    """The bundled weights by name."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Entry(name=name, **entry) for name, entry in table.items()}


WEIGHTS = read_table()
STYLES = {name: entry for name, entry in WEIGHTS.items() if entry.painting}


@dataclass(frozen=True)
class Loaded:
    """A style network ready for use.

    Attributes:
        network: in evaluation mode, single precision, on the CPU. Its `multiple` and `minimum` say which
            sizes it takes.
        name: of the style, or of the file.
        metadata: what the file says about itself: architecture, painting, painter, year, recipe …
    """

    network: StyleNet | Johnson
    name: str
    metadata: Mapping[str, str]


def load(name_or_path: str | Path) -> Loaded:
    """The style network of that name, or from that file.

    Args:
        name_or_path: a bundled name, a .safetensors file, or a .pth of pytorch/examples `fast_neural_style`.

    Raises:
        UsageError: no such name; the message lists the known ones.
        InputError: the file is missing, damaged, too large, or no style network.
    """
    text = os.fspath(name_or_path)
    if text in WEIGHTS:
        entry = WEIGHTS[text]
        check_sha256(entry.path, entry.sha256)
        return load_safetensors(entry.path, text)
    path = Path(text)
    if path.suffix.lower() in (".pth", ".pt", ".model"):
        return load_checkpoint(path)
    if path.suffix.lower() == ".safetensors" or path.is_file():
        return load_safetensors(path, path.stem)
    raise UsageError(f"unknown style {text!r}; known: {', '.join(STYLES)}, or a .safetensors or .pth file")


def load_safetensors(path: Path, name: str) -> Loaded:
    """A style network from a file that `save_style` or training wrote.

    Raises:
        InputError: see `load`.
    """
    tensors, metadata = read_safetensors(path)
    architecture = metadata.get("architecture", "")
    network: StyleNet | Johnson
    try:
        if architecture == "style_net":
            sizes = {key: size_of(metadata[key]) for key in ("width", "depth", "blocks", "detail")}
            network = StyleNet(**sizes)
        elif architecture == "johnson":
            network = Johnson(size_of(metadata["width"]), size_of(metadata["blocks"]))
        else:
            raise ValueError(f"architecture {architecture!r}, expected style_net or johnson")
    except (KeyError, ValueError) as exc:
        raise InputError(f"{path}: no style network: {exc}") from exc
    fill(network, tensors, path)
    return Loaded(network.eval(), name, metadata)


def load_checkpoint(path: Path) -> Loaded:
    """A Johnson network from a checkpoint of pytorch/examples, with or without running statistics.

    Raises:
        InputError: see `load`.
    """
    tensors = without_running_statistics(read_checkpoint(path))
    first = tensors.get("conv1.conv2d.weight")
    if first is None or first.ndim != 4 or not 1 <= first.shape[0] <= LARGEST_SIZE:
        raise InputError(f"{path}: no checkpoint of fast_neural_style: conv1.conv2d.weight is missing or odd")
    blocks = len({key.partition(".")[0] for key in tensors if key.startswith("res")})
    network = Johnson(first.shape[0], min(blocks, LARGEST_SIZE))
    fill(network, tensors, path)
    metadata = {"architecture": "johnson", "width": str(network.width), "blocks": str(network.blocks)}
    return Loaded(network.eval(), path.stem, metadata)


def load_features(name_or_path: str | Path) -> FeatureNetwork:
    """A feature network: "vgg16", "vgg19" (fetched once by torchvision's rules), or MobileNet from a file.

    Raises:
        InputError: the file is missing or damaged, or the download failed; the message says where to put it.
        UsageError: neither a known name nor a file.
    """
    text = os.fspath(name_or_path)
    if text in VGG_WEIGHTS:
        network = FEATURE_NETWORKS[text]()
        path = fetch(VGG_WEIGHTS[text], Path(torch.hub.get_dir()) / "checkpoints")
        tensors = read_checkpoint(path, largest=2**30)
        fill(network, {key: value for key, value in tensors.items() if key.startswith("features.")}, path)
        return network.eval()
    path = Path(text)
    if path.suffix.lower() != ".safetensors" and not path.is_file():
        raise UsageError(
            f"unknown feature network {text!r}; known: {', '.join(VGG_WEIGHTS)}, or a "
            ".safetensors file of MobileNet-v1"
        )
    network = MobileNet()
    fill(network, read_safetensors(path)[0], path)
    return network.eval()


VGG_WEIGHTS = {  # the part after the dash begins the SHA-256
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
}


def save_style(path: Path, network: StyleNet | Johnson, metadata: Mapping[str, str]) -> None:
    """Writes a network in half precision, whole or not at all.

    Args:
        path: where to; an existing file is replaced.
        network: what to write.
        metadata: painting, painter, year, recipe and the like; the architecture is added.

    Raises:
        OutputError: the file cannot be written.
        ValueError: a weight is not finite in half precision.
    """
    tensors = {key: value.detach().half().contiguous() for key, value in network.state_dict().items()}
    if broken := [key for key, value in tensors.items() if not torch.isfinite(value).all()]:
        raise ValueError(f"weights are not finite: {', '.join(broken)}")
    keys = ("width", "depth", "blocks", "detail") if isinstance(network, StyleNet) else ("width", "blocks")
    shape = {key: str(getattr(network, key)) for key in keys}
    architecture = "style_net" if isinstance(network, StyleNet) else "johnson"
    data = save(tensors, metadata={**metadata, "architecture": architecture, **shape})
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {exc.strerror or exc}") from exc


def read_safetensors(path: Path, largest: int = LARGEST_FILE) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file.

    Raises:
        InputError: it is missing, too large or damaged.
    """
    check_size(path, largest)
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as exc:
        raise InputError(f"{path}: no safetensors file, or a damaged one: {first_line(exc)}") from exc


def read_checkpoint(path: Path, largest: int = LARGEST_FILE) -> dict[str, Tensor]:
    """Tensors of a PyTorch checkpoint. Code in it is never run.

    Raises:
        InputError: it is missing, too large, damaged, or holds something other than named tensors.
    """
    check_size(path, largest)
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as exc:  # damaged pickles raise whatever they like: IndexError, struct.error …
        raise InputError(f"{path}: no checkpoint that can be read safely: {first_line(exc)}") from exc
    if not isinstance(tensors, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in tensors.items()
    ):
        raise InputError(f"{path}: holds something other than named tensors")
    return tensors


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Puts tensors into a network of just these names and shapes.

    Raises:
        InputError: one is missing, unknown, of another shape, or not finite; the message names it.
    """
    expected = network.state_dict()
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
            raise InputError(f"{path}: {key} holds values that are no finite numbers")
    network.load_state_dict({key: value.float() for key, value in tensors.items()})


def fetch(url: str, folder: Path | None = None, *, sha256: str = "") -> Path:
    """The local copy of a file from the network; downloaded if it is not there yet.

    Args:
        url: where it lies. Without `sha256` its name must carry the start of the hash, as torchvision's do.
        folder: where copies are kept, by default `cache_folder()`.
        sha256: of the file, in hexadecimal.

    Raises:
        InputError: it cannot be fetched, or has another hash; the message says where to put it by hand.
    """
    folder = folder or cache_folder()
    name = url.rpartition("/")[2]
    prefix = sha256 or Path(name).stem.rpartition("-")[2]
    path = folder / name
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Writes under a temporary name, compares the hash, renames.
        torch.hub.download_url_to_file(url, os.fspath(path), hash_prefix=prefix, progress=False)
    except (URLError, OSError, RuntimeError, ValueError) as exc:
        raise InputError(
            f"{url}: cannot be fetched: {first_line(exc)}; get it by other means and put it at {path}"
        ) from exc
    return path


def cache_folder() -> Path:
    """Where fetched weights are kept: $STREAMSTYLE_HOME, or else the user's cache folder."""
    home = os.environ.get("STREAMSTYLE_HOME")
    return Path(home) if home else Path(platformdirs.user_cache_dir("streamstyle"))


def check_sha256(path: Path, expected: str) -> None:
    """Compares the hash of a file.

    Raises:
        InputError: the file is missing, or another than was shipped.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror}; install streamstyle again") from exc
    if found != expected:
        raise InputError(f"{path}: is not the file that was shipped; install streamstyle again")


def check_size(path: Path, largest: int) -> None:
    """Refuses what is no file or too large to be read into memory.

    Raises:
        InputError: either of these.
    """
    try:
        size = path.stat().st_size
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror}") from exc
    if not path.is_file():
        raise InputError(f"{path}: is no file")
    if size > largest:
        raise InputError(f"{path}: has {size} bytes, more than the {largest} allowed")


def size_of(text: str) -> int:
    """A number of channels or blocks from metadata.

    Raises:
        ValueError: no whole number in 1 … LARGEST_SIZE.
    """
    size = int(text)
    if not 1 <= size <= LARGEST_SIZE:
        raise ValueError(f"size {size}, expected 1 to {LARGEST_SIZE}")
    return size


def parameters_of(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(math.prod(value.shape) for value in network.parameters())


def first_line(exc: BaseException) -> str:
    """The first line of an error's message, or its kind."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def shortened(names: list[str], most: int = 3) -> str:
    """The first few of a list of names, and how many there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
