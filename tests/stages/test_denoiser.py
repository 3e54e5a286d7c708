import torch

from vldm_cli.denoise.guidance import Guidance
from vldm_cli.stages.denoiser import Denoiser


class Echo(torch.nn.Module):
    """At pure noise, v = −z says that the frames are the noise itself."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, z_BTCHW, t, text_BLD=None, **kw):
        return -z_BTCHW


def test_the_packs_share_of_noise_is_what_the_frames_get(models):
    made = {}
    for shared in (0.0, 0.5):
        denoiser = Denoiser(
            model=Echo,
            scheduler=lambda: models.scheduler("ddim"),
            text=lambda: (torch.zeros(1, 1, 16), torch.zeros(1, 1, 16)),
            seed=1,
            stage="keyframes",
            frame_step=16,
            steps=1,
            shape=(4, 32, 32),
            guidance=Guidance(),
            shared=shared,
        )
        known = torch.zeros(1, 2, 4, 32, 32)
        z = denoiser.fill([0], known, torch.zeros(1, 2))[0]
        made[shared] = float(torch.corrcoef(z.flatten(1))[0, 1])
    assert abs(made[0.0]) < 0.05 and abs(made[0.5] - 0.5) < 0.05
