"""How steady a video is, and how close one video is to another: measures of frames alone. All in units of 1/255."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.motion.flow import flow, visible, warp

BLOCK = 8  # side of the blocks among which the calmest half is the background, in pixels
PAIRS = 16  # neighbouring frames whose flow is estimated at a time
SCALE = 127.5  # from [−1, 1] to bytes


def warping_error(x_TCHW: Tensor) -> float:
    """Mean |x_t − x_{t+1} brought back along the estimated flow| over the pixels that are visible in both frames
    (Lai et al. 2018). Frames in [−1, 1], at least two. NaN if nothing is visible twice."""
    total, count = 0.0, 0.0
    for some in torch.arange(len(x_TCHW) - 1, device=x_TCHW.device).split(PAIRS):
        a, b = x_TCHW[some].float(), x_TCHW[some + 1].float()
        forward, backward = flow(a, b), flow(b, a)
        seen = visible(forward, backward)
        error = (a - warp(b, forward)).abs().mean(1, keepdim=True)
        total += float((error * seen).sum())
        count += float(seen.sum())
    return SCALE * total / count if count else float("nan")


def background_flicker(x_TCHW: Tensor) -> float:
    """Mean |x_{t+1} − x_t| in the half of the 8×8 blocks that changes least: with a still camera, the background.
    What moves slowly there (clouds, water) counts too, so compare with a rendered clip's own."""
    change_BHW = (x_TCHW[1:].float() - x_TCHW[:-1].float()).abs().mean((0, 1))
    blocks = F.avg_pool2d(change_BHW[None, None], BLOCK, ceil_mode=True).flatten().sort().values
    return SCALE * float(blocks[: max(1, len(blocks) // 2)].mean())


def flicker(x_TCHW: Tensor, truth_TCHW: Tensor) -> float:
    """Mean error of the change from frame to frame, |(x_{t+1} − x_t) − (y_{t+1} − y_t)|, y being the truth."""
    return SCALE * float((x_TCHW.float().diff(dim=0) - truth_TCHW.float().diff(dim=0)).abs().mean())


def psnr(x: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, frames in [−1, 1]."""
    return float(10 * torch.log10(4 / (x.float() - truth.float()).square().mean().clamp_min(1e-12)))


def ssim(x_NCHW: Tensor, truth_NCHW: Tensor) -> float:
    """Structural similarity (Wang et al. 2004): 11×11 Gaussian window of σ 1.5, mean over channels and frames."""
    x, y = x_NCHW.float() + 1, truth_NCHW.float() + 1  # range 2
    C = x.shape[1]
    side = torch.arange(11, device=x.device, dtype=x.dtype) - 5
    line = torch.exp(-(side**2) / (2 * 1.5**2))
    line = line / line.sum()
    rows = line.view(1, 1, 1, -1).expand(C, 1, 1, -1)

    def blur(z: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(z, rows, groups=C), rows.transpose(2, 3), groups=C)

    mx, my = blur(x), blur(y)
    vx, vy, c = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    score = (2 * mx * my + c1) * (2 * c + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(score.mean())


def sharpness(x_TCHW: Tensor) -> float:
    """Mean absolute difference of neighbouring pixels: falls when a video goes soft."""
    x = x_TCHW.float()
    return SCALE * float(x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean()) / 2


def mean_colour(x_TCHW: Tensor) -> Tensor:
    """(3,): the mean colour of a clip, 0 … 255."""
    return SCALE * (x_TCHW.float().mean((0, 2, 3)).cpu() + 1)


def colour_drift(first_TCHW: Tensor, last_TCHW: Tensor) -> float:
    """By how much the colours of most of the picture have changed: for each channel the median over all pixels of the
    change of each one's median over time; the mean of the channels' absolute values. The camera stands still, or goes
    along a road. The mean colour changes with all that moves, in rendered videos too; medians leave that out."""
    change_CHW = last_TCHW.float().median(0).values - first_TCHW.float().median(0).values
    return SCALE * float(change_CHW.flatten(1).median(1).values.abs().mean())
