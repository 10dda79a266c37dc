"""Painting each image in a style, with one pass through a trained network."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from streamstyle import device as devices
from streamstyle.effects.upsampling import padded_to
from streamstyle.errors import OutOfMemoryError
from streamstyle.frames import Moment
from streamstyle.keyframes import NONE, ParametersOverTime, keyframes_of
from streamstyle.networks import StyleNetwork
from streamstyle.networks.interpolation import Interpolation
from streamstyle.networks.style_net import InstanceNorm
from streamstyle.styles import DEFAULT_STYLE, LoadedStyle, load_style, sizes_of
from streamstyle.weights import WEIGHTS

BASE = "base"
EVENNESS = 0.75  # power of the strength by which images, not weights, change evenly
FEWEST_ROWS = 64  # of a band, when memory does not suffice

_log = logging.getLogger("streamstyle")


class Style:
    """Stylizes images in styles that may be mixed and may change with time; each frame by itself.

    Only the statistics by which our own networks normalize may be made to follow slowly.

    Strength moves the weights towards the base, so that strokes grow and do not only fade in; the nearer to
    0, the more the source shows through, which the base gives back only nearly. Where the base is not at
    hand it is a blend with the source. Mixtures, also with the source ("none"), are blends of the
    images: halfway between the weights of two styles both are faint, since what they changed in the base
    has little in common. On request styles of one base are mixed by their weights all the same, which takes
    one pass for all of them.

    Args:
        keyframes: mixture and strength at each time; or a style or mixture as `keyframes_of` reads it: a
            bundled name, a .safetensors file, a .pth of pytorch/examples, or "none".
        mix_by: "images" or "weights".
        rows: lines that are stylized at a time, a multiple of 8, which saves memory; None: all at once.
        inertia: share of the last frame's statistics that is kept, 0 to below 1.
        device: "auto", "cpu", "cuda" or "cuda:N", or a torch device.

    Raises:
        UsageError: a value is out of range, or there is no such style or device.
        InputError: a file is missing, damaged, or no style network.
    """

    def __init__(
        self,
        keyframes: ParametersOverTime | str | Path = DEFAULT_STYLE,
        *,
        mix_by: str = "pictures",
        rows: int | None = None,
        inertia: float = 0.0,
        device: str | torch.device = "auto",
    ) -> None:
        self.keyframes = keyframes_of(keyframes) if isinstance(keyframes, (str, Path)) else keyframes
        self.rows = rows
        self.device = devices.choose(device) if isinstance(device, str) else device
        styles = {name: load_style(name) for name in self.keyframes.styles()}
        self.families = families_of(styles, self.device, together=mix_by == "weights")
        self.norms = [
            norm
            for family in self.families
            for norm in family.network.modules()
            if isinstance(norm, InstanceNorm)
        ]
        for norm in self.norms:
            norm.inertia = inertia

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The image, stylized.

        Args:
            image: (3, H, W) in [0, 1] on `device`, of any size. It is not changed.
            moment: its seconds decide the parameters.

        Returns:
            The same shape, type and range; the tensor itself where nothing is to be done.

        Raises:
            OutOfMemoryError: the image is too large for the device, even in bands.
        """
        parameters = self.keyframes.at(moment.seconds)
        if parameters.strength == 0 or parameters.style.get(NONE) == 1:
            return image
        with torch.inference_mode():
            parts = [(parameters.style[NONE], image)] if parameters.style.get(NONE) else []
            for family in self.families:
                shares = {name: parameters.style[name] for name in family.names if name in parameters.style}
                if total := sum(shares.values()):
                    shares = {name: share / total for name, share in shares.items()}
                    parts.append((total, self.stylized(image, family, shares, parameters.strength)))
            if len(parts) == 1:
                return parts[0][1]
            return torch.stack([share * picture for share, picture in parts]).sum(dim=0)

    def stylized(self, image: Tensor, family: Family, shares: Mapping[str, float], strength: float) -> Tensor:
        """What one family makes of (3, H, W), in bands where memory does not suffice for all at once."""
        height, width = image.shape[1:]
        while True:
            try:
                with devices.out_of_memory(width, height):
                    return family(image, shares, strength, self.rows)
            except OutOfMemoryError:
                rows = max((self.rows or height) // 16 * 8, FEWEST_ROWS)
                if rows >= (self.rows or height) or not family.in_bands:
                    raise
                self.rows = rows
                _log.info("memory does not suffice for %d lines at once: %d at a time", height, rows)

    def reset(self) -> None:
        """Forgets the statistics of earlier frames."""
        for norm in self.norms:
            norm.running = None

    def state(self) -> dict[str, Tensor | float | int]:
        """The statistics of earlier frames, and in how many rows at a time it stylizes, since bands round
        otherwise than the whole; 0 = all."""
        state: dict[str, Tensor | float | int] = {"rows": self.rows or 0}
        for number, norm in enumerate(self.norms):
            if norm.running is not None:
                state[f"statistics.{number}"] = norm.running
        return state

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Takes up what `state` gave."""
        self.rows = int(state["rows"]) or None
        for number, norm in enumerate(self.norms):
            remembered = state.get(f"statistics.{number}")
            norm.running = remembered if isinstance(remembered, Tensor) else None


class Family:
    """Networks of one make that come from one base, as one network.

    Args:
        networks: by name.
        base: the base of all of them; None where it is not at hand.
        device: where they run.

    Attributes:
        network: that stylizes; its weights follow what is asked for.
    """

    def __init__(
        self, networks: Mapping[str, StyleNetwork], base: StyleNetwork | None, device: torch.device
    ) -> None:
        self.names = list(networks)
        self.from_base = base is not None
        self.in_bands = all(network.TILED for network in networks.values())
        members = dict(networks) if base is None else {**networks, BASE: base}
        members = {
            name: network.to(device).to(memory_format=torch.channels_last)
            for name, network in members.items()
        }
        self._interpolation = Interpolation(members)
        self.network = self._interpolation.network.to(devices.half(device))

    def __call__(
        self, image: Tensor, shares: Mapping[str, float], strength: float, rows: int | None
    ) -> Tensor:
        """(3, H, W) stylized; to sizes that the network takes it is padded, and cut back."""
        if self.from_base:
            strength = strength**EVENNESS
            shares = {name: strength * share for name, share in shares.items()}
            shares[BASE] = shares.get(BASE, 0.0) + 1 - strength
            strength = math.sin(math.pi / 2 * strength)  # has no kink
        self._interpolation.set(shares)
        network = self.network
        assert isinstance(network, StyleNetwork)
        height, width = image.shape[1:]
        padded = padded_to(image[None], network.multiple, network.minimum)
        more = {"rows": rows} if self.in_bands else {}
        result = network(padded.to(next(network.parameters()).dtype), **more)
        # Half precision may overflow in networks that were trained elsewhere; then single for good.
        if result.dtype == torch.float16 and not torch.isfinite(result).all():
            self.network.float()
            result = network(padded.float(), **more)
        cut: Tensor = result[0, :, :height, :width].to(image.dtype)
        return torch.lerp(image, cut, strength) if strength < 1 else cut


def families_of(styles: Mapping[str, LoadedStyle], device: torch.device, *, together: bool) -> list[Family]:
    """The styles, each for itself, or those together that have one base and one architecture."""
    groups: dict[str, dict[str, StyleNetwork]] = {}
    for name, loaded in styles.items():
        sizes = (loaded.metadata.get("architecture", ""), *sizes_of(loaded.network).values())
        base = loaded.metadata.get("base_sha256", "")
        # What has no base is related to nothing but itself.
        key = " ".join((base, *sizes)) if base and together else name
        groups.setdefault(key, {})[name] = loaded.network
    families = []
    for networks in groups.values():
        first = styles[next(iter(networks))]
        ours = first.metadata.get("base_sha256") == WEIGHTS[BASE].sha256
        families.append(Family(networks, load_style(BASE).network if ours else None, device))
    return families
