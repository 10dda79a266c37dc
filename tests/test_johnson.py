"""The reference network and its checkpoints."""

import torch

from streamstyle.networks import Johnson
from streamstyle.networks.johnson import without_running_statistics


def test_it_has_the_parameters_of_pytorch_examples():
    """1,679,235: what `fast_neural_style` counts for its TransformerNet."""
    assert sum(value.numel() for value in Johnson().parameters()) == 1_679_235


def test_the_result_has_the_size_of_the_image():
    network = Johnson(width=4, blocks=1).eval()
    assert network(torch.rand(2, 3, 12, 20)).shape == (2, 3, 12, 20)


def test_the_weights_work_in_0_to_255():
    """With a last layer that gives its bias alone, 51 in the checkpoint is 0.2 in the image."""
    network = Johnson(width=2, blocks=1)
    torch.nn.init.zeros_(network.deconv3.conv2d.weight)
    torch.nn.init.constant_(network.deconv3.conv2d.bias, 51.0)
    torch.testing.assert_close(network(torch.rand(1, 3, 8, 8)), torch.full((1, 3, 8, 8), 0.2))


def test_running_statistics_of_old_checkpoints_are_dropped():
    state = Johnson(width=2, blocks=1).state_dict()
    old = {**state, "in1.running_mean": torch.zeros(2), "res1.in2.running_var": torch.ones(8)}
    assert without_running_statistics(old).keys() == state.keys()
