"""The objectives of dreams: layers, channels, neurons and directions of a feature network, or guide images.

Written as LAYER, LAYER:CHANNEL, LAYER:CHANNEL@XxY (one neuron, its position in shares of width and height),
LAYER:FILE.npy (a direction, one number per channel), or LAYER~GUIDE (the layer's features of a guide image).
A leading - minimizes the objective. Networks with a classifier have a layer `class`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from streamstyle.arrays import read_array
from streamstyle.cuda_graphs import Captured
from streamstyle.device import low_precision
from streamstyle.effects.dream.natural_images import channel_strengths
from streamstyle.errors import InputError, UsageError, did_you_mean
from streamstyle.keyframes import layer_and_file
from streamstyle.networks.features import FeatureNetwork

PROBE = 96  # side in pixels of the image used to find out a layer's number of channels


@dataclass(frozen=True)
class Objective:
    """One objective of a dream.

    Attributes:
        layer: of the feature network.
        sign: 1 = maximize, -1 = minimize.
        direction: (C,), weights of the layer's channels, or None for the whole layer.
        place: position (x, y) as shares of width and height, or None for everywhere.
        strengths: (C,), by which the channels of a whole layer are divided, so that they count alike.
    """

    layer: str
    sign: float = 1.0
    direction: Tensor | None = None
    place: tuple[float, float] | None = None
    strengths: Tensor | None = None

    def on(self, device: torch.device) -> Objective:
        """The same objective with its tensors on that device."""
        held = (self.direction, self.strengths)
        direction, strengths = (None if tensor is None else tensor.to(device) for tensor in held)
        return replace(self, direction=direction, strengths=strengths)

    def value(self, activations: Tensor, guide: Tensor | None = None) -> Tensor:
        """The value to maximize, a scalar.

        Args:
            activations: (1, C, H, W) of the layer.
            guide: (N, C), the layer's activations on a guide image at each position, or None.
        """
        if self.place is not None:
            height, width = activations.shape[2:]
            x, y = (min(int(p * s), s - 1) for p, s in zip(self.place, (width, height), strict=True))
            activations = activations[:, :, y : y + 1, x : x + 1]
        if self.direction is not None:
            direction = self.direction.to(activations)
            return self.sign * (activations * direction[:, None, None]).sum(dim=1).mean()
        if guide is not None:
            return self.sign * guided_similarity(activations, guide)
        if self.strengths is not None:
            activations = activations / self.strengths.to(activations)[:, None, None]
        return self.sign * activations.square().mean()


def guided_similarity(activations: Tensor, guide: Tensor) -> Tensor:
    """Mean product of the activations at each position with the best match among all positions of the guide.

    Reference: guided dreams in Mordvintsev, Olah and Tyka (2015), DeepDream, google/deepdream.
    """
    features = activations[0].flatten(1).T
    with torch.no_grad():
        best = guide[(features @ guide.T).argmax(dim=1)]
    return (features * best).sum(dim=1).mean() / features.shape[1]


def read_objective(text: str, network: FeatureNetwork) -> Objective:
    """Parses an objective.

    Args:
        text: in the syntax of this module.
        network: the feature network with the layer.

    Raises:
        UsageError: the layer does not exist (the message lists the closest ones first), or the channel or
            position does not.
        InputError: the file of a direction cannot be read, or has the wrong length.
    """
    sign = -1.0 if text.startswith("-") else 1.0
    layer, separator, part = layer_and_file(text.removeprefix("-"))
    layer = network.depths.get(layer, layer)
    if layer not in network.layers:
        near = difflib.get_close_matches(layer, network.layers, 3, 0.3)
        rest = [name for name in network.layers if name not in near]
        hint = did_you_mean(layer, network.layers)
        raise UsageError(f"no layer {layer!r}{hint}; there are {', '.join([*near, *rest])}")
    if separator != ":":
        whole = separator != "~" and not network.even
        return Objective(layer, sign, strengths=channel_strengths(network, layer) if whole else None)
    if "~" in part and not part.endswith(".npy"):
        raise UsageError(f"{text!r}: a guide needs a whole layer, expected {layer}~GUIDE")
    with torch.no_grad():
        channels = network(torch.zeros(1, 3, PROBE, PROBE), [layer])[layer].shape[1]
    if part.endswith(".npy"):
        return Objective(layer, sign, read_direction(Path(part), channels))
    match = re.fullmatch(r"(\d+)(?:@([\d.]+)x([\d.]+))?", part)
    if match is None:
        raise UsageError(f"{text!r}: expected LAYER, LAYER:CHANNEL, LAYER:CHANNEL@XxY or LAYER:FILE.npy")
    if (channel := int(match[1])) >= channels:
        raise UsageError(f"{text!r}: {layer} has channels 0 to {channels - 1}")
    direction = torch.zeros(channels)
    direction[channel] = 1.0
    if match[2] is None:
        return Objective(layer, sign, direction)
    try:
        x, y = float(match[2]), float(match[3])
    except ValueError:
        x = y = math.nan
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise UsageError(f"{text!r}: expected a position in shares of width and height, 0 to 1")
    return Objective(layer, sign, direction, (x, y))


def read_direction(path: Path, channels: int) -> Tensor:
    """Reads a direction from a .npy file: (channels,), normalized to length 1.

    Raises:
        InputError: the file cannot be read, or has other contents.
        OutOfMemoryError: as `read_array`.
    """
    values = read_array(path)
    if values.shape != (channels,) or values.dtype.kind not in "fiu" or not np.abs(values).sum() > 0:
        raise InputError(f"{path}: shape {values.shape}, expected ({channels},) numbers that are not all 0")
    direction: Tensor = torch.from_numpy(values.astype(np.float32))
    length: Tensor = direction.norm()
    return direction / length


class Dreamt:
    """The gradients of objectives with respect to an image.

    Args:
        network: the feature network.
        objectives: by name.
        guides: by objective, (1, 3, h, w) in [0, 1], an image whose features are amplified instead of those
            of the image itself.

    Raises:
        UsageError: an objective refers to a guide that is missing from `guides`.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        objectives: Mapping[str, Objective],
        guides: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.network = network
        device = next(network.parameters()).device
        self.objectives = {name: objective.on(device) for name, objective in objectives.items()}
        self.guides: dict[str, Tensor] = {}
        self._captured: dict[tuple[str, ...], Captured] = {}
        for name, objective in self.objectives.items():
            if guides and name in guides:
                with torch.no_grad():
                    features = network(guides[name], [objective.layer])[objective.layer]
                self.guides[name] = features[0].flatten(1).T
            elif layer_and_file(name)[1] == "~":
                raise UsageError(f"{name!r}: the guide image is missing")

    def gradients(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """The gradient of each objective, (1, 3, H, W) by name.

        Args:
            image: (1, 3, H, W) in [0, 1].
            names: of the objectives.
        """
        key = tuple(names)
        if key not in self._captured:
            self._captured[key] = Captured(partial(self.computed, names=key))
        return self._captured[key](image)

    def computed(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The gradients, computed without a captured graph."""
        gradients = {}
        # Low precision is enough: on photographs the gradients of the bundled network have a cosine to those
        # in single precision of at least 0.998 in float16, as on CUDA, and of 0.98 in bfloat16, as on CPUs.
        with torch.enable_grad(), low_precision(image.device, narrow=self.network.narrow):
            leaf = image.detach().requires_grad_(True)
            found = self.network(leaf, {self.objectives[name].layer for name in names})
            for number, name in enumerate(names, 1):
                objective = self.objectives[name]
                activations = found[objective.layer].float()
                # A sum instead of a mean over the positions, so that the gradients of tiles fit together.
                positions = activations.shape[2] * activations.shape[3]
                value = positions * objective.value(activations, self.guides.get(name))
                (gradients[name],) = torch.autograd.grad(value, leaf, retain_graph=number < len(names))
        return gradients


def weighted(gradients: Mapping[str, Tensor], weights: Mapping[str, float] | Mapping[str, Tensor]) -> Tensor:
    """The weighted sum of gradients, each normalized to a mean length of 1.

    They are normalized because layers differ by orders of magnitude. A single gradient is returned unchanged.
    """
    if len(gradients) == 1:
        return next(iter(gradients.values()))
    scaled = [weights[name] * part / part.abs().mean().clamp_min(1e-12) for name, part in gradients.items()]
    return torch.stack(scaled).sum(dim=0)
