"""Networks by name: modules without any file access.

A new network is one file and one line in its table.
"""

from collections.abc import Callable
from functools import partial

from streamstyle.networks.adain import AdaIN
from streamstyle.networks.features import Distilled, FeatureNetwork
from streamstyle.networks.johnson import Johnson
from streamstyle.networks.mobilenet import MobileNet
from streamstyle.networks.pretrained import PRETRAINED, Pretrained
from streamstyle.networks.style_net import StyleNet
from streamstyle.networks.style_network import StyleNetwork

STYLE_NETWORKS: dict[str, type[StyleNetwork]] = {
    "style_net": StyleNet,
    "johnson": Johnson,
    "adain": AdaIN,
}
FEATURE_NETWORKS: dict[str, Callable[[], FeatureNetwork]] = {
    "distilled": Distilled,
    "mobilenet_v1": MobileNet,
    **{name: partial(Pretrained, name) for name in PRETRAINED},
}

__all__ = [
    "FEATURE_NETWORKS",
    "PRETRAINED",
    "STYLE_NETWORKS",
    "AdaIN",
    "Distilled",
    "FeatureNetwork",
    "Johnson",
    "MobileNet",
    "Pretrained",
    "StyleNet",
    "StyleNetwork",
]
