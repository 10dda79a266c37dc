"""The well-known ImageNet networks as feature networks; definitions and weights are torchvision's.

A network is one entry in PRETRAINED. Layers have their usual names: relu3_3 in VGG, inception4c in GoogLeNet,
Mixed_5d in Inception-v3, layer3.2 in ResNet, fire6 in SqueezeNet, features.9 in MobileNet-v2. The classifier,
if requested, is the layer `class`.

torchvision is imported when the first of them is made, as that takes as long as to import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

import torch
from torch import Tensor, nn

from streamstyle.networks.features import DEPTHS, FeatureNetwork

HEADS = ("avgpool", "dropout", "classifier", "fc", "AuxLogits", "aux1", "aux2")
NAMING = ("classifier", "fc")  # those of them that classify
HEAD = "class"  # name of the layer of class scores
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation of R, G, B
SYMMETRIC = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # [0, 1] to [-1, 1]

Parts = dict[str, list[nn.Module]]  # layer -> the modules between the previous layer and this one


@dataclass(frozen=True)
class TorchvisionNetwork:
    """How to use a network of torchvision.

    Attributes:
        definition: name of torchvision's function that makes the network without pretrained weights.
        url: of its weights; the part of the file name after the dash is the beginning of its SHA-256.
        parts: splits the network into layers.
        style_layers, content_layers: see `FeatureNetwork`.
        dream_layers: those called texture, pattern, part and thing; see `FeatureNetwork`.
        scale: mean and standard deviation for normalizing the image.
        options: arguments of the function.
    """

    definition: str
    url: str
    parts: Callable[[nn.Module], Parts]
    style_layers: tuple[str, ...]
    content_layers: Mapping[str, float]
    dream_layers: tuple[str, str, str, str]
    scale: tuple[tuple[float, float, float], tuple[float, float, float]] = IMAGENET
    options: Mapping[str, bool] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """The network, not trained."""
        from torchvision import models

        network: nn.Module = getattr(models, self.definition)(**self.options)
        return network


class Pretrained(FeatureNetwork):
    """One of PRETRAINED.

    Args:
        name: its key in the table.
        head: keep the classifier as the layer `class`, with one channel per class.
    """

    def __init__(self, name: str, head: bool = False) -> None:
        super().__init__()
        network = PRETRAINED[name]
        self.style_layers, self.content_layers = network.style_layers, network.content_layers
        self.depths = dict(zip(DEPTHS, network.dream_layers, strict=True))
        self.mean, self.deviation = network.scale
        self.model = network.build()
        self.parts = network.parts(self.model)
        if head:
            self.parts[HEAD] = classifier_parts(self.model)
        self.layers = tuple(self.parts)
        for part in HEADS:
            if hasattr(self.model, part) and not (head and part in NAMING):
                delattr(self.model, part)

    def normalized(self, image: Tensor) -> Tensor:
        """[0, 1] to the scale that the network was trained with."""
        # With numbers instead of tensors, which would be copied to the device in each call.
        scaled = [
            (image[:, channel] - mean) / deviation
            for channel, (mean, deviation) in enumerate(zip(self.mean, self.deviation, strict=True))
        ]
        return torch.stack(scaled, dim=1)

    def activations(self, x: Tensor, requested: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Layer by layer; pooling belongs to the layer that follows it."""
        for name, modules in self.parts.items():
            for module in modules:
                x = module(x)
            yield name, x.flatten(1)[..., None, None] if name == HEAD else x


def classifier_parts(model: nn.Module) -> list[nn.Module]:
    """The modules from the last features to the class scores."""
    from torchvision import models

    if isinstance(model, models.SqueezeNet):
        return [model.classifier]  # convolutions and a mean
    last = [model.features[-1]] if isinstance(model, models.VGG) else []  # a pooling behind the last layer
    pooling = getattr(model, "avgpool", None) or nn.AdaptiveAvgPool2d(1)
    classifier = getattr(model, "fc", None) or model.get_submodule("classifier")
    return [*last, pooling, nn.Flatten(), classifier]


def vgg_parts(model: nn.Module) -> Parts:
    """relu1_1 … relu5_3 or relu5_4: block and number, as in Simonyan and Zisserman (2014), table 1."""
    parts: Parts = {}
    block, number, pending = 1, 0, []
    for module in model.get_submodule("features").children():
        pending.append(module)
        if isinstance(module, nn.ReLU):
            number += 1
            parts[f"relu{block}_{number}"], pending = pending, []
        elif isinstance(module, nn.MaxPool2d):
            block, number = block + 1, 0
    return parts


def named_parts(model: nn.Module) -> Parts:
    """The model's children up to the head."""
    children = takewhile(lambda child: child[0] not in HEADS, model.named_children())
    return {name: [module] for name, module in children}


def resnet_parts(model: nn.Module) -> Parts:
    """conv1, then the residual blocks: layer1.0, layer1.1 …"""
    stem = [model.get_submodule(name) for name in ("conv1", "bn1", "relu")]
    blocks = {
        f"layer{stage}.{index}": [block]
        for stage in range(1, 5)
        for index, block in enumerate(model.get_submodule(f"layer{stage}").children())
    }
    blocks["layer1.0"].insert(0, model.get_submodule("maxpool"))
    return {"conv1": stem, **blocks}


def squeezenet_parts(model: nn.Module) -> Parts:
    """conv1, fire2 … fire9, as in Iandola et al. (2016), table 1."""
    from torchvision.models.squeezenet import Fire

    parts: Parts = {}
    pending: list[nn.Module] = []
    for module in model.get_submodule("features").children():
        pending.append(module)
        if isinstance(module, nn.ReLU | Fire):
            parts[f"fire{len(parts) + 1}" if parts else "conv1"], pending = pending, []
    return parts


def mobilenet_v2_parts(model: nn.Module) -> Parts:
    """features.0 … features.18, named as in torchvision."""
    return {
        f"features.{index}": [module]
        for index, module in enumerate(model.get_submodule("features").children())
    }


_WITHOUT_HEADS = {"init_weights": False, "aux_logits": False}
_URL = "https://download.pytorch.org/models/"

PRETRAINED: dict[str, TorchvisionNetwork] = {
    # Layers of Johnson et al. (2016)
    "vgg16": TorchvisionNetwork(
        "vgg16",
        _URL + "vgg16-397923af.pth",
        vgg_parts,
        ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        {"relu3_3": 1.0},
        ("relu2_2", "relu3_3", "relu4_3", "relu5_2"),
    ),
    # Layers of Gatys et al. (2016)
    "vgg19": TorchvisionNetwork(
        "vgg19",
        _URL + "vgg19-dcbb9e9d.pth",
        vgg_parts,
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        {"relu4_2": 1.0},
        ("relu2_2", "relu3_4", "relu4_4", "relu5_4"),
    ),
    # For the following networks: strides 2 to 16 for style and 8 for content, close to those of VGG-16
    "googlenet": TorchvisionNetwork(
        "googlenet",
        _URL + "googlenet-1378be20.pth",
        named_parts,
        ("conv1", "conv3", "inception3b", "inception4c"),
        {"inception3b": 1.0},
        ("conv3", "inception3b", "inception4c", "inception4e"),
        SYMMETRIC,
        _WITHOUT_HEADS,
    ),
    "inception_v3": TorchvisionNetwork(
        "inception_v3",
        _URL + "inception_v3_google-0cc3c7bd.pth",
        named_parts,
        ("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6b"),
        {"Mixed_5d": 1.0},
        ("Conv2d_4a_3x3", "Mixed_5d", "Mixed_6a", "Mixed_6c"),
        SYMMETRIC,
        _WITHOUT_HEADS,
    ),
    "resnet50": TorchvisionNetwork(
        "resnet50",
        _URL + "resnet50-0676ba61.pth",
        resnet_parts,
        ("conv1", "layer1.2", "layer2.3", "layer3.2"),
        {"layer2.3": 1.0},
        ("layer1.2", "layer2.3", "layer3.2", "layer3.5"),
    ),
    "squeezenet": TorchvisionNetwork(
        "squeezenet1_1",
        _URL + "squeezenet1_1-b8a52dc0.pth",
        squeezenet_parts,
        ("conv1", "fire3", "fire5", "fire7"),
        {"fire5": 1.0},
        ("fire3", "fire5", "fire7", "fire9"),
    ),
    "mobilenet_v2": TorchvisionNetwork(
        "mobilenet_v2",
        _URL + "mobilenet_v2-b0353104.pth",
        mobilenet_v2_parts,
        ("features.1", "features.3", "features.6", "features.13"),
        {"features.6": 1.0},
        ("features.3", "features.6", "features.10", "features.13"),
    ),
}
