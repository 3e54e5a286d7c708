"""Numbers are brought to a device once."""

import torch

from vldm_cli.motion.constants import constant


def test_a_number_for_each_channel_and_the_same_tensor_again():
    like = torch.zeros(2, 3, 4, 5, dtype=torch.float64)
    with torch.inference_mode():
        made = constant((0.5, 1.0, 2.0), like)
    assert (
        made.shape == (1, 3, 1, 1) and made.dtype == torch.float64 and made.flatten().tolist() == [0.5, 1, 2]
    )
    assert constant((0.5, 1.0, 2.0), like[:1]) is made
    assert constant((0.5, 1.0, 2.0), like.float()).dtype == torch.float32


def test_training_may_use_what_inference_made():
    with torch.inference_mode():
        made = constant((0.5, 3.0, 2.0), torch.zeros(1))
    with torch.inference_mode(False), torch.enable_grad():
        x = torch.ones(1, 3, 1, 1, requires_grad=True)
        (x * made).sum().backward()
    assert x.grad is not None and torch.equal(x.grad, made)
