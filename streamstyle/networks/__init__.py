"""Networks by name. Pure modules: nothing here reads or writes a file.

A new network is one file and one line in its table.
"""

from streamstyle.networks.features import VGG16, VGG19, FeatureNetwork, MobileNet
from streamstyle.networks.johnson import Johnson
from streamstyle.networks.style_net import StyleNet

STYLE_NETWORKS: dict[str, type[StyleNet] | type[Johnson]] = {"style_net": StyleNet, "johnson": Johnson}
FEATURE_NETWORKS: dict[str, type[FeatureNetwork]] = {"mobilenet": MobileNet, "vgg16": VGG16, "vgg19": VGG19}
NETWORKS: dict[str, type[StyleNet] | type[Johnson] | type[FeatureNetwork]] = STYLE_NETWORKS | FEATURE_NETWORKS

__all__ = [
    "FEATURE_NETWORKS",
    "NETWORKS",
    "STYLE_NETWORKS",
    "VGG16",
    "VGG19",
    "FeatureNetwork",
    "Johnson",
    "MobileNet",
    "StyleNet",
]
