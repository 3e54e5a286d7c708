"""Cast rays into object scenes: solids on a plane under a sky, one sun with a soft shadow. Shape-static torch code."""

import torch
from torch import Tensor

from vldm_cli.toyland import solids
from vldm_cli.toyland.solids import FAR, dot
from vldm_cli.toyland.surfaces import ground_colour, mix, object_colour, sky_colour, smooth

SOFTNESS = 0.055  # radius of the sun as the shadow sees it


def _columns(x: Tensor) -> list[Tensor]:
    """(N,3) per-frame vector → three (N,1,1) tensors."""
    return [x[:, i, None, None] for i in range(3)]


def cast(px: Tensor, py: Tensor, f: dict[str, Tensor], pixel: float, objects: int) -> Tensor:
    """Colours (N,3,P) of the rays through (px, py) of shape (N,P,S) on the camera's plane at unit distance.

    `f`: per-frame tensors of N rows (poses and looks); `pixel`: the size of a pixel on that plane; `objects`: how many
    of the objects are present. The S subsamples of a pixel are averaged; each sees another point of the sun.
    """
    right, up, forward = (_columns(f["axes"][:, i]) for i in range(3))
    d = [forward[i] + px * right[i] + py * up[i] for i in range(3)]
    length = dot(d, d).rsqrt()
    d = [v * length for v in d]
    eye = _columns(f["eye"])
    table = solids.tables(f["shape"][:, :objects], f["center"][:, :objects], f["inverse"][:, :objects])

    # Nearest solid.
    best = torch.full_like(px, FAR)
    winner = torch.zeros_like(px)
    for k in range(objects):
        center = _columns(table["center"][:, k])
        t = solids.enter(table, k, [eye[i] - center[i] for i in range(3)], d, 0.05)
        winner = torch.where(t < best, float(k), winner)
        best = torch.minimum(t, best)
    falls = d[2] < -1e-4
    ground_t = torch.where(falls, -eye[2] / torch.where(falls, d[2], -1.0), FAR)
    on_object = best < ground_t
    t = torch.minimum(best, ground_t)
    nothing = t > 1e4
    t_safe = torch.where(nothing, 1.0, t)
    p = [eye[i] + t_safe * d[i] for i in range(3)]

    # The winner's local point and normal.
    local = [torch.zeros_like(px) for _ in range(3)]
    shape, material, spotted = (torch.zeros_like(px) for _ in range(3))
    first, second = [torch.zeros_like(px) for _ in range(3)], [torch.zeros_like(px) for _ in range(3)]
    for k in range(objects):
        mine = winner == k
        q = solids._times(
            table["inverse"][:, k], [p[i] - _columns(table["center"][:, k])[i] for i in range(3)]
        )
        local = [torch.where(mine, q[i], local[i]) for i in range(3)]
        shape = torch.where(mine, f["shape"][:, k, None, None], shape)
        material = torch.where(mine, f["material"][:, k, None, None], material)
        spotted = torch.where(mine, f["spotted"][:, k, None, None], spotted)
        first = [torch.where(mine, f["colour"][:, k, i, None, None], first[i]) for i in range(3)]
        second = [torch.where(mine, f["second"][:, k, i, None, None], second[i]) for i in range(3)]
    n_local = solids.normal(shape, local)
    n = [torch.zeros_like(px) for _ in range(3)]
    for k in range(objects):
        mine = winner == k
        q = solids._times(table["inverse"][:, k].mT, n_local)
        n = [torch.where(mine, q[i], n[i]) for i in range(3)]
    scale = (dot(n, n) + 1e-12).rsqrt()
    n = [torch.where(on_object, n[i] * scale, float(i == 2)) for i in range(3)]

    # Shadow: each subsample looks at another point of the sun.
    samples = px.shape[-1]
    light = f["light"]
    side = torch.stack([light[:, 1], -light[:, 0], torch.zeros_like(light[:, 0])], -1)
    side = side / side.norm(dim=-1, keepdim=True)
    over = torch.cross(side, light, dim=-1)
    angle = torch.arange(samples, device=px.device, dtype=px.dtype) * 2.399963
    reach = SOFTNESS * torch.sqrt((torch.arange(samples, device=px.device, dtype=px.dtype) + 0.5) / samples)
    sun = [
        (light[:, i, None] + side[:, i, None] * reach * angle.cos() + over[:, i, None] * reach * angle.sin())[
            :, None
        ]
        for i in range(3)
    ]
    start = [p[i] + 0.01 * n[i] for i in range(3)]
    shadow = torch.zeros_like(px)
    contact = torch.ones_like(px)
    for k in range(objects):
        center = _columns(table["center"][:, k])
        relative = [start[i] - center[i] for i in range(3)]
        blocked = solids.enter(table, k, relative, sun, 0.0) < FAR
        shadow = torch.maximum(shadow, blocked.to(shadow.dtype))
        # The sky that the body hides from the ground below and beside it.
        size, low = f["radius"][:, k, None, None], f["low"][:, k, None, None]
        flat = relative[0] * relative[0] + relative[1] * relative[1]
        contact = contact * (1 - 0.5 * torch.exp(-flat / (size * size) - low / size))
    contact = torch.where(on_object, 1.0, contact)

    lit = 1 - shadow * f["sky_shadow"][:, None, None]
    solid = object_colour(f, local, spotted, material, first, second, n, d, lit)
    ground = ground_colour(f, p, t_safe, d, lit, contact, pixel)
    sky = sky_colour(f, d, pixel)
    haze = smooth(12.0, 75.0, t_safe)
    out = []
    for i in range(3):
        far = f["sky_horizon"][:, i, None, None]
        land = torch.where(on_object, solid[i], mix(ground[i], far, haze))
        out.append(torch.where(nothing, sky[i], land).clamp(0, 1).mean(-1))
    return torch.stack(out, 1)
