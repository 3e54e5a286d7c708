import torch

from vldm_cli.denoise.noise import frame_noise


def test_noise_is_a_function_of_seed_stage_and_frame():
    both = frame_noise(1, "keyframes", [4, 9], (8, 3, 5))
    assert torch.equal(both[1], frame_noise(1, "keyframes", [9], (8, 3, 5))[0])
    others = [(2, "keyframes", 9), (1, "upscale", 9), (1, "keyframes", 10)]
    for seed, stage, frame in others:
        assert not torch.equal(both[1], frame_noise(seed, stage, [frame], (8, 3, 5))[0])


def test_noise_is_standard_normal():
    noise = frame_noise(7, "s", range(64), (8, 20, 32))
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    assert abs((noise[:-1] * noise[1:]).mean()) < 0.01
