"""Stylizes images with trained feed-forward networks, one pass per style."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from streamstyle import device as devices
from streamstyle.arbitrary_styles import PREDICTED, Arbitrary, LoadedStyle
from streamstyle.cuda_graphs import Captured
from streamstyle.effects.resizing import padded_to
from streamstyle.errors import OutOfMemoryError
from streamstyle.frames import Moment
from streamstyle.inference import CompiledNetworks, find_network_runner
from streamstyle.keyframes import NONE, Parameters, ParametersOverTime, keyframes_of
from streamstyle.networks import StyleNetwork
from streamstyle.networks.interpolation import Interpolation
from streamstyle.networks.style_net import InstanceNorm
from streamstyle.styles import DEFAULT_STYLE, load_style, sizes_of
from streamstyle.weights import WEIGHTS

BASE = "base"
STRENGTH_EXPONENT = 0.75  # makes the images, instead of the weights, change evenly with the strength
FEWEST_ROWS = 64  # height of a strip down to which it is reduced if memory runs out
LASTING = 0.25  # seconds that weights must stay the same for a network to be compiled

_log = logging.getLogger("streamstyle")


class Style:
    """Stylizes images in one style or a mixture, which may change over time.

    Each frame is processed by itself, except that the normalization statistics of our own networks may be
    smoothed over time (`inertia`).

    A strength below 1 interpolates the weights towards those of the base network, so that strokes become
    smaller instead of only fading. Since the base reproduces the source only approximately, the source is
    also blended in, the more the nearer the strength is to 0. For styles without a known base, strength is a
    plain blend with the source.

    Mixtures, also those with the source ("none"), are blends of the stylized images. Halfway between the
    weights of two styles both are faint, since their changes of the base have little in common. With
    `mix_by="weights"` the weights of styles with a common base are interpolated all the same, which takes one
    pass for all of them.

    Args:
        keyframes: mixture and strength at each time; or a style or mixture as parsed by `keyframes_of`: a
            bundled name, a .safetensors file, a .pth of pytorch/examples, an image, or "none".
        arbitrary: how the networks of images are made.
        mix_by: "pictures" or "weights".
        rows: height of the strips that are stylized one by one to save memory, a multiple of 8; None: all
            at once.
        inertia: share of the last frame's statistics that is kept, 0 to below 1.
        device: "auto", "cpu", "cuda" or "cuda:N", or a torch device.
        runner: of the networks on a CPU, see `find_network_runner`.
        live: networks are compiled in the background, so that no image has to wait. Then it depends on timing
            which images are computed by the runner, and which by PyTorch.

    Raises:
        UsageError: a value is out of range, or there is no such style or device.
        InputError: a file is missing, damaged, or not a style network.
    """

    def __init__(
        self,
        keyframes: ParametersOverTime | str | Path = DEFAULT_STYLE,
        *,
        arbitrary: Arbitrary = PREDICTED,
        mix_by: str = "pictures",
        rows: int | None = None,
        inertia: float = 0.0,
        device: str | torch.device = "auto",
        runner: str = "torch",
        live: bool = False,
    ) -> None:
        self.keyframes = keyframes_of(keyframes) if isinstance(keyframes, (str, Path)) else keyframes
        self.rows = rows
        self.device = devices.choose(device) if isinstance(device, str) else device
        self.arbitrary, self.inertia, self.live = arbitrary, inertia, live
        self._together = mix_by == "weights"
        # Smoothing of statistics goes on in Python.
        self._runner = find_network_runner(runner, self.device) if inertia == 0 else None
        self.families: list[Family] = []
        for name in self.keyframes.styles():
            self.add(name)

    def add(self, name: str, loaded: LoadedStyle | None = None) -> None:
        """Loads another style, which parameters may have from now on; also while images are stylized.

        Args:
            name: of the style.
            loaded: the style itself, which is copied; by default it is loaded by its name.

        Raises:
            UsageError, InputError: as for the styles at the beginning.
        """
        if loaded is None:
            loaded = load_style(name, self.arbitrary)
        else:
            loaded = replace(loaded, network=copy.deepcopy(loaded.network))
        key = family_key(loaded) if self._together else ""
        for family in self.families:
            if key and family.key == key:
                family.add(name, loaded.network)
                return
        family = Family(name, loaded, self.device, key)
        if self._runner is not None and self._runner.accepts(family.network):
            family.compiled = CompiledNetworks(self._runner, in_background=self.live)
        for norm in family.norms:
            norm.inertia = self.inertia
        self.families = [*self.families, family]

    def remove(self, name: str) -> None:
        """Forgets a style, which parameters must not have any more; not while an image is stylized."""
        for family in self.families:
            if name in family.names:
                family.remove(name)
        self.families = [family for family in self.families if family.names]

    @property
    def norms(self) -> list[InstanceNorm]:
        """All normalizations whose statistics may be smoothed."""
        return [norm for family in self.families for norm in family.norms]

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The image, stylized.

        Args:
            image: (3, H, W) in [0, 1] on `device`, of any size. It is not changed.
            moment: its seconds determine the parameters.

        Returns:
            The same shape, dtype and range; the tensor itself if strength or mixture leave it unchanged.

        Raises:
            OutOfMemoryError: the image does not fit the device's memory, even in strips.
        """
        parameters = self.keyframes.at(moment.seconds)
        if parameters.strength == 0 or parameters.style.get(NONE) == 1:
            return image
        later = self.keyframes.at(moment.seconds + LASTING)
        with torch.inference_mode():
            parts = [(parameters.style[NONE], image)] if parameters.style.get(NONE) else []
            for family in self.families:
                if total := family.share(parameters):
                    parts.append((total, self.stylized(image, family, parameters, later)))
            if len(parts) == 1:
                return parts[0][1]
            return torch.stack([share * part for share, part in parts]).sum(dim=0)

    def stylized(self, image: Tensor, family: Family, parameters: Parameters, later: Parameters) -> Tensor:
        """(3, H, W), stylized by one family; in strips if memory does not suffice for all at once."""
        height, width = image.shape[1:]
        while True:
            try:
                with devices.out_of_memory(width, height):
                    return family(image, parameters, later, self.rows)
            except OutOfMemoryError:
                rows = max((self.rows or height) // 16 * 8, FEWEST_ROWS)
                if rows >= (self.rows or height) or not family.tiled:
                    raise
                self.rows = rows
                _log.info("not enough memory for %d lines at once: %d at a time", height, rows)

    def reset(self) -> None:
        """Forgets the statistics of earlier frames."""
        for norm in self.norms:
            norm.running = None

    def state(self) -> dict[str, Tensor | float | int]:
        """The statistics of earlier frames, and the strip height: strips round differently. 0 = no strips."""
        state: dict[str, Tensor | float | int] = {"rows": self.rows or 0}
        for number, norm in enumerate(self.norms):
            if norm.running is not None:
                state[f"statistics.{number}"] = norm.running
        return state

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Restores a result of `state`."""
        self.rows = int(state["rows"]) or None
        for number, norm in enumerate(self.norms):
            running = state.get(f"statistics.{number}")
            norm.running = running if isinstance(running, Tensor) else None


class Family:
    """Networks of one architecture that were trained from one base, interpolated to a single network.

    Args:
        name: of the first style.
        loaded: the first style.
        device: where they run.
        key: of the styles that belong to it, see `family_key`; "": no others do.

    Attributes:
        network: the interpolated network; its weights are those of the last call.
        compiled: what a runner has compiled for weights that last; None: PyTorch runs the network.
    """

    def __init__(self, name: str, loaded: LoadedStyle, device: torch.device, key: str = "") -> None:
        base = base_of(loaded)
        self.names, self.device, self.key = [name], device, key
        self.from_base, self.tiled = base is not None, loaded.network.TILED
        members = {name: loaded.network} if base is None else {name: loaded.network, BASE: base}
        self._interpolation = Interpolation({name: self.placed(each) for name, each in members.items()})
        self.network = self._interpolation.network.to(devices.half(device))
        self.norms = [module for module in self.network.modules() if isinstance(module, InstanceNorm)]
        self.compiled: CompiledNetworks | None = None
        self._captured = Captured(lambda image: {"result": self.forward(image)})

    def placed(self, network: StyleNetwork) -> StyleNetwork:
        """The network on the device."""
        return network.to(self.device).to(memory_format=torch.channels_last)

    def add(self, name: str, network: StyleNetwork) -> None:
        """Adds a network of the same architecture and base."""
        self._interpolation.add(name, self.placed(network))
        self.names = [*self.names, name]

    def remove(self, name: str) -> None:
        """Forgets a network."""
        self.names = [other for other in self.names if other != name]
        self._interpolation.remove(name)

    def share(self, parameters: Parameters) -> float:
        """The share of its networks in the result."""
        return sum(parameters.style.get(name, 0.0) for name in self.names)

    def weights(self, parameters: Parameters) -> dict[str, float]:
        """The share of each network in the weights; the base has one if the strength is below 1."""
        total = self.share(parameters)
        shares = {name: parameters.style[name] / total for name in self.names if parameters.style.get(name)}
        if self.from_base and (strength := self.strength(parameters)) < 1:
            shares = {name: strength * share for name, share in shares.items()}
            shares[BASE] = shares.get(BASE, 0.0) + 1 - strength
        return shares

    def network_at(self, parameters: Parameters) -> StyleNetwork:
        """The network with the weights of these parameters."""
        return self._interpolation.set(self.weights(parameters))

    def blend(self, parameters: Parameters) -> float:
        """The share of the network's result in the stylized image; the rest is the source."""
        strength = self.strength(parameters)
        return math.sin(math.pi / 2 * strength) if self.from_base else strength  # smooth at strength 1

    def strength(self, parameters: Parameters) -> float:
        """The share of the styles against the base, or against the source if there is no base."""
        return parameters.strength**STRENGTH_EXPONENT if self.from_base else parameters.strength

    def __call__(self, image: Tensor, parameters: Parameters, later: Parameters, rows: int | None) -> Tensor:
        """(3, H, W), stylized; it is padded to a size that the network accepts, and the result is cropped.

        The network is compiled if its weights are the same in `later`. This depends on the time alone, so a
        resumed render computes each frame as an uninterrupted one does.
        """
        weights, network = self.weights(parameters), self.network_at(parameters)
        height, width = image.shape[1:]
        padded = padded_to(image[None], network.multiple, network.minimum)
        run = None
        if (
            self.compiled is not None
            and rows is None
            and self.share(later)
            and weights == self.weights(later)
        ):
            run = self.compiled.find(network, tuple(weights.items()), *padded.shape[2:])
        result = self.by_torch(padded, rows) if run is None else run(padded.float())
        cropped: Tensor = result[0, :, :height, :width].to(image.dtype)
        share = self.blend(parameters)
        return torch.lerp(image, cropped, share) if share < 1 else cropped

    def by_torch(self, image: Tensor, rows: int | None) -> Tensor:
        """(1, 3, H, W), stylized by the network as it is."""
        if rows is None and not any(norm.inertia for norm in self.norms):
            result = self._captured(image)["result"]
        else:
            result = self.forward(image, rows)
        # Half precision may overflow in networks trained elsewhere; they switch to single for good.
        if not self.from_base and result.dtype == torch.float16 and not torch.isfinite(result).all():
            self.network.float()
            self._captured = Captured(lambda image: {"result": self.forward(image)})
            result = self.forward(image, rows)
        return result

    def forward(self, image: Tensor, rows: int | None = None) -> Tensor:
        """(1, 3, H, W), stylized, in the network's precision."""
        options = {"rows": rows} if self.tiled else {}
        result: Tensor = self.network(image.to(next(self.network.parameters()).dtype), **options)
        return result


def family_key(loaded: LoadedStyle) -> str:
    """Base and architecture, which networks of one family have in common; "" without a base."""
    base = loaded.metadata.get("base_sha256", "")
    sizes = (loaded.metadata.get("architecture", ""), *sizes_of(loaded.network).values())
    return " ".join((base, *sizes)) if base else ""


def base_of(loaded: LoadedStyle) -> StyleNetwork | None:
    """The network that strength 0 leads to; None if it is not available."""
    ours = loaded.metadata.get("base_sha256") == WEIGHTS[BASE].sha256
    return load_style(BASE).network if ours else loaded.base
