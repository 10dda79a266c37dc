"""A network between others."""

import pytest
import torch

from streamstyle.networks.interpolation import Interpolation


def test_weights_are_the_weighted_sum_and_the_others_stay():
    first, second = torch.nn.Conv2d(2, 3, 3), torch.nn.Conv2d(2, 3, 3)
    before = first.weight.clone()
    between = Interpolation({"a": first, "b": second})
    network = between.set({"a": 0.25, "b": 0.75})
    torch.testing.assert_close(network.weight, 0.25 * first.weight + 0.75 * second.weight)
    assert torch.equal(between.set({"b": 1.0}).weight, second.weight)
    assert torch.equal(between.set({"b": 0.0, "a": 1.0}).weight, first.weight)
    assert torch.equal(first.weight, before)


def test_an_unknown_network_is_an_error():
    with pytest.raises(KeyError):
        Interpolation({"a": torch.nn.Conv2d(1, 1, 1)}).set({"b": 1.0})
