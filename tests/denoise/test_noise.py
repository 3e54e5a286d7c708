import torch

from vldm_cli.denoise.noise import frame_noise, noise_like


def test_noise_is_a_function_of_seed_stage_and_frame():
    both = frame_noise(1, "keyframes", [4, 9], (8, 3, 5))
    assert torch.equal(both[1], frame_noise(1, "keyframes", [9], (8, 3, 5))[0])
    others = [(2, "keyframes", 9), (1, "upscale", 9), (1, "keyframes", 10)]
    for seed, stage, frame in others:
        assert not torch.equal(both[1], frame_noise(seed, stage, [frame], (8, 3, 5))[0])


def test_noise_drawn_in_several_threads_is_the_same(monkeypatch):
    one = frame_noise(1, "s", range(5), (8, 3, 5))
    monkeypatch.setattr("vldm_cli.denoise.noise._LARGE", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for inference in (False, True):
        with torch.inference_mode(inference):
            assert torch.equal(frame_noise(1, "s", range(5), (8, 3, 5)), one)


def test_noise_is_standard_normal():
    noise = frame_noise(7, "s", range(64), (8, 20, 32))
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    assert abs((noise[:-1] * noise[1:]).mean()) < 0.01


def correlation(a, b):
    return float((a * b).mean() / (a.std() * b.std()))


def test_a_share_of_the_noise_is_common_to_a_video():
    shape = (8, 40, 64)
    noise = frame_noise(3, "keyframes", [0, 16], shape, shared=0.3)
    assert abs(noise.std() - 1) < 0.01
    assert abs(correlation(*noise) - 0.3) < 0.03
    # a frame's noise is the same whichever frames it is asked for with
    assert torch.equal(noise[1], frame_noise(3, "keyframes", [16], shape, shared=0.3)[0])
    for seed, stage in ((4, "keyframes"), (3, "interpolate")):
        assert abs(correlation(noise[0], frame_noise(seed, stage, [16], shape, shared=0.3)[0])) < 0.03


def test_training_noise_shares_alike_within_a_clip_only():
    torch.manual_seed(0)
    noise = noise_like(torch.zeros(2, 3, 8, 40, 64), 0.3)
    assert abs(noise.std() - 1) < 0.01
    assert abs(correlation(noise[0, 0], noise[0, 2]) - 0.3) < 0.03
    assert abs(correlation(noise[0, 0], noise[1, 0])) < 0.03
