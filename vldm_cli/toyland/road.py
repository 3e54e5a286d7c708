"""Draw the driving world: road, verges and sky per pixel, and billboards of soft-edged rounded parts over them.

Edges are soft by the size of a pixel, so one ray a pixel is enough. Shape-static torch code (see `cast`).
"""

import torch
from torch import Tensor

from vldm_cli.toyland.surfaces import mix, sky_colour, smooth
from vldm_cli.toyland.traffic import EYE_HEIGHT, PARTS

WIDEN = 1.35  # the windscreen sees more than the camera of the object scenes
HORIZON = 0.07


def _rows(f: dict, name: str) -> list[Tensor]:
    return [f[name][:, i, None] for i in range(3)]


def _band(u: Tensor, middle: float, half: float, blur: Tensor) -> Tensor:
    return (0.5 + (half - (u - middle).abs()) / blur).clamp(0, 1) * (2 * half / blur).clamp_max(1)


def backdrop(px: Tensor, py: Tensor, f: dict[str, Tensor], pixel: float) -> list[Tensor]:
    """Road, verge and sky: three (N,P) tensors. px, py (N,P): ray through (px, 1, py)."""
    slope = -py
    ground = slope > 1e-3
    depth = EYE_HEIGHT / slope.clamp_min(1e-3)
    wide = depth * pixel  # of a pixel across, and along, the road
    deep = wide * depth / EYE_HEIGHT
    u = px * depth + f["camera"][:, None] - 0.5 * f["curve"][:, None] * depth * depth
    s = depth + f["way"][:, None]
    calm = torch.exp(-deep / 4)
    waves = (torch.sin(0.55 * s + 0.3 * u) + torch.sin(0.9 * u - 0.25 * s + 1.3)) * 0.5 * calm
    edge = 0.06 + wide
    asphalt = smooth(0, 1, (0.5 + (3.75 - u.abs()) / (edge + 0.15)).clamp(0, 1))
    dash = (0.5 + (2.6 - (torch.remainder(s, 12.0) - 6.0).abs()) / (0.2 + deep)).clamp(0, 1)
    dash = mix(dash, torch.full_like(dash, 0.43), smooth(3.0, 9.0, deep))
    paint = torch.maximum(
        _band(u, 0, 0.10, edge) * dash, torch.maximum(_band(u, -3.4, 0.09, edge), _band(u, 3.4, 0.09, edge))
    )
    dust = _band(u.abs(), 4.2, 0.55, edge + 0.3)
    lamps = (
        f["night"][:, None]
        * torch.exp(-depth / 16)
        * torch.exp(-(((px * depth) / (1.2 + 0.16 * depth)) ** 2))
        * 0.95
    )
    heading = f["heading"][:, None]
    length = (px * px + 1 + py * py).rsqrt()
    c, sn = heading.cos(), heading.sin()
    d = [v[..., None] for v in ((px * c + sn) * length, (c - px * sn) * length, py * length)]
    sky = [v[..., 0] for v in sky_colour(f, d, pixel)]
    fog_up = f["fog"][:, None] * torch.exp(-py.clamp_min(0) * 2.2)
    haze = 1 - torch.exp(-((depth / f["fog_length"][:, None]) ** 1.5))
    verge, tint, fog = _rows(f, "verge"), _rows(f, "tint"), _rows(f, "fog_colour")
    out = []
    for i in range(3):
        land = verge[i] * (1 + 0.13 * waves)
        land = mix(land, mix(verge[i], 0.55, 0.6), dust * 0.7)
        land = mix(land, (0.31, 0.31, 0.335)[i] * (1 + 0.05 * waves), asphalt)
        land = mix(land, (0.95, 0.94, 0.88)[i], paint * 0.92)
        land = land * (tint[i] + lamps * (1.0, 0.93, 0.75)[i])
        out.append(torch.where(ground, mix(land, fog[i], haze), mix(sky[i], fog[i], fog_up)))
    return out


def billboard(
    rgb: list[Tensor], px: Tensor, py: Tensor, f: dict[str, Tensor], item: dict[str, Tensor], pixel: float
):
    """Draw one item of each frame over rgb. `item`: depth, u, alpha (N,), part (N,PARTS,6), its colours and glow."""
    depth = item["depth"][:, None]
    middle = item["u"][:, None] + 0.5 * f["curve"][:, None] * depth * depth - f["camera"][:, None]
    x, z = px * depth - middle, py * depth + EYE_HEIGHT
    blur = depth * pixel * 1.1 + 1e-4
    tint, fog = _rows(f, "tint"), _rows(f, "fog_colour")
    haze = 1 - torch.exp(-((depth / f["fog_length"][:, None]) ** 1.5))
    shown = item["alpha"][:, None] * smooth(62.0, 46.0, depth)
    lamps = f["night"][:, None] * torch.exp(-depth / 14) * 0.55
    for j in range(PARTS):
        cx, cz, a, b, corner, taper = (item["part"][:, j, i, None] for i in range(6))
        dx, dz = x - cx, z - cz
        side, high = dx / a, (dz / b).clamp(-1, 1)
        half = a - corner - a * taper * (0.5 + 0.5 * high)
        qx, qz = dx.abs() - half, dz.abs() - (b - corner)
        inside = torch.maximum(qx, qz).clamp_max(0)
        away = torch.hypot(qx.clamp_min(0), qz.clamp_min(0)) + inside - corner
        cover = (0.5 - away / blur).clamp(0, 1) * (shown * item["part_alpha"][:, j, None])
        shade = (high - 0.7 * side).clamp(-1, 1)
        # Light, lamps and haze are the same all over a part: its colour is low + shade · gain.
        glow = item["part_glow"][:, j, None]
        air = haze * (1 - 0.5 * glow)
        for i in range(3):
            colour = item["part_colour"][:, j, i, None] * (1 - air)
            lit = colour * (1 - glow) * (tint[i] + lamps)
            low = colour * glow + lit + fog[i] * air
            rgb[i] = torch.lerp(rgb[i], torch.addcmul(low, lit * 0.16, shade), cover)
    return rgb


ITEM_KEYS = ("depth", "u", "alpha", "part", "part_alpha", "part_colour", "part_glow")


def drive(
    px: Tensor, py: Tensor, f: dict[str, Tensor], pixel: float, paint=backdrop, stick=billboard
) -> Tensor:
    """Colours (N,3,P) of the rays through (px, py), both (N,P), on the camera's plane at unit distance."""
    px, py, pixel = px * WIDEN, py * WIDEN - HORIZON, pixel * WIDEN
    rgb = paint(px, py, f, pixel)
    for i in range(f["depth"].shape[1]):
        rgb = stick(rgb, px, py, f, {key: f[key][:, i] for key in ITEM_KEYS}, pixel)
    return torch.stack(rgb, 1).clamp(0, 1)
