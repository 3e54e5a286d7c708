"""Colours of Toyland's surfaces: materials of objects, grounds and skies. Low frequencies only, so nothing flickers.

Vectors are lists of three (N,P,S) tensors; `f` holds per-frame tensors of N rows from `looks.looks`.
"""

import torch
from torch import Tensor

from vldm_cli.toyland.looks import WAVE_SHARES
from vldm_cli.toyland.solids import dot

STRIPE_AXIS = (0.75, 0.35, 0.56)


def mix(a, b, share):
    """a + (b - a) · share; one kernel instead of three where all are tensors."""
    if all(isinstance(v, Tensor) for v in (a, b, share)):
        return torch.lerp(a, b, share)
    return a + (b - a) * share


def smooth(low: float, high: float, x: Tensor) -> Tensor:
    u = ((x - low) / (high - low)).clamp(0, 1)
    return u * u * (3 - 2 * u)


def _rows(f: dict, name: str) -> list[Tensor]:
    return [f[name][:, i, None, None] for i in range(3)]


def object_colour(f, local, spotted, material, first, second, n, d, lit) -> list[Tensor]:
    """Shaded colour of an object's surface."""
    x, y, z = local
    stripes = (0.5 + 4.5 * (torch.sin(7.0 * dot(STRIPE_AXIS, local) + 0.6) - 0.2)).clamp(0, 1)
    cell = torch.pi / 0.8
    checks = (0.5 + 7 * torch.cos(cell * x) * torch.cos(cell * y) * torch.cos(cell * z)).clamp(0, 1)
    spots = spot(local) * spotted
    marks = torch.where(material == 2, stripes, torch.where(material == 3, checks, spots))
    base = [mix(first[i], second[i], marks) for i in range(3)]

    light, sun, ambient = _rows(f, "light"), _rows(f, "sky_sun"), _rows(f, "sky_ambient")
    facing = ((dot(n, light) + 0.2) / 1.2).clamp_min(0) * lit
    shiny = (material == 1).to(x.dtype)
    n_d = dot(n, d)
    bounce = [d[i] - 2 * n_d * n[i] for i in range(3)]
    glint = dot(bounce, light).clamp(0, 1) ** 24 * lit * shiny
    grazing = (1 + n_d).clamp(0, 1)
    mirror = shiny * (0.14 + 0.5 * grazing * grazing * grazing)
    above = smooth(-0.12, 0.12, bounce[2])
    high = bounce[2].clamp(0, 1)
    zenith, horizon = _rows(f, "sky_zenith"), _rows(f, "sky_horizon")
    low = _rows(f, "ground_low")
    out = []
    for i in range(3):
        shade = ambient[i] * (0.86 + 0.14 * n[2]) + sun[i] * 1.06 * facing
        reflected = mix(low[i] * (ambient[i] + 0.4 * sun[i]), mix(horizon[i], zenith[i], high), above)
        out.append(mix(base[i] * shade, reflected, mirror) + glint * (0.45 + 0.6 * sun[i]))
    return out


def spot(local: list[Tensor]) -> Tensor:
    """How much of a spot's colour a point of an object shows, 0 to 1: two spots, at the ends of its x axis."""
    _, y, z = local
    return (9 * (0.17 - y * y - z * z)).clamp(0, 1)


def ground_colour(f, p, t, d, lit, contact, pixel: float) -> list[Tensor]:
    """Shaded colour of the ground at world point p, seen from distance t along d by a pixel of that size."""
    x, y = p[0], p[1]
    spread = t * pixel / d[2].abs().clamp_min(0.04)  # how much ground one pixel covers
    height: float | Tensor = 0.0
    for j, share in enumerate(WAVE_SHARES):
        k = f["waves"][:, j, :, None, None]
        wave = torch.sin(k[:, 0] * x + k[:, 1] * y + f["wave_phase"][:, j, None, None])
        height = height + float(share) * wave
    height = height * torch.exp(-0.05 * spread * spread) * 1.25
    # Tiles, turned a little; every next row is shifted.
    c, s = f["tile_turn"][:, 0, None, None], f["tile_turn"][:, 1, None, None]
    long, wide = f["ground_tile"][:, 0, None, None], f["ground_tile"][:, 1, None, None]
    v = (c * y - s * x) / wide + f["tile_offset"][:, 1, None, None]
    row = v.floor()
    u = (c * x + s * y) / long + f["ground_shift"][:, None, None] * row + f["tile_offset"][:, 0, None, None]
    column = u.floor()
    du, dv = (u - column - 0.5).abs(), (v - row - 0.5).abs()
    edge = torch.minimum((0.5 - du) * long, (0.5 - dv) * wide)
    blur = 0.03 + 0.5 * spread
    seam = (1 - edge / blur).clamp(0, 1) * (0.045 / blur).clamp_max(1) * f["ground_seam"][:, None, None]
    clear = (1.25 - spread / wide).clamp(0, 1)
    tone = f["ground_tone"][:, None, None] * torch.sin(2.399 * row + 4.13 * column) * clear
    checks = torch.sin(torch.pi * u) * torch.sin(torch.pi * v) * (1.1 / (0.06 + spread / wide)).clamp_max(14)
    check = (0.5 + checks.clamp(-0.5, 0.5) * clear) * f["ground_check"][:, None, None]

    light, sun, ambient = _rows(f, "light"), _rows(f, "sky_sun"), _rows(f, "sky_ambient")
    low, high, other = _rows(f, "ground_low"), _rows(f, "ground_high"), _rows(f, "ground_other")
    horizon, zenith = _rows(f, "sky_horizon"), _rows(f, "sky_zenith")
    wet = f["ground_drift"][:, None, None]
    grazing = (1 + d[2]).clamp(0, 1)
    mirror = wet * (0.10 + 0.45 * grazing**4)
    out = []
    for i in range(3):
        base = mix(mix(low[i], high[i], 0.5 + 0.5 * height), other[i], check)
        base = base * (1 + tone) * (1 - seam)
        shade = (ambient[i] * contact + sun[i] * (0.25 + 0.85 * light[2]) * lit) * 0.98
        out.append(mix(base * shade, mix(horizon[i], zenith[i], 0.35), mirror * (0.4 + 0.6 * lit)))
    return out


def sky_colour(f, d, pixel: float) -> list[Tensor]:
    """Colour of the sky in unit direction d: gradient, soft clouds, sun or moon, and hills along the horizon."""
    up = d[2]
    gradient = (up.clamp(0, 1) * 3.2).clamp(0, 1) ** 0.7
    cx, cy = d[0] / (up.abs() + 0.10), d[1] / (up.abs() + 0.10)
    q = f["cloud_phase"][:, :, None, None]
    drift = f["drift"][:, None, None]
    puffs = (
        torch.sin(0.8 * cx + drift + q[:, 0])
        + 0.8 * torch.sin(0.9 * cy + 0.7 * cx + q[:, 1])
        + 0.6 * torch.sin(1.9 * cx - 1.1 * cy + drift + q[:, 2])
    )
    cloud = smooth(0.2, 1.6, puffs) * smooth(0.015, 0.10, up) * f["sky_clouds"][:, None, None]
    azimuth = torch.atan2(d[0], d[1])
    h = f["hill_phase"][:, :, None, None]
    ridge = (
        0.048
        + 0.014 * torch.sin(3 * azimuth + h[:, 0])
        + 0.022 * torch.sin(8 * azimuth + h[:, 1])
        + 0.018 * torch.sin(15 * azimuth + h[:, 2])
    )
    hill = (0.5 - (up - ridge) / (3.0 * pixel + 0.002)).clamp(0, 1)
    size = f["sky_disc_size"][:, None, None]
    away = (2 - 2 * dot(d, _rows(f, "disc_at"))).clamp_min(0).sqrt()
    disc = (0.5 + (size * 0.6 - away) / (1.5 * pixel + 0.003)).clamp(0, 1) * (size > 0)
    glow = torch.exp(-away * 5) * 0.45 * (size > 0)
    zenith, horizon = _rows(f, "sky_zenith"), _rows(f, "sky_horizon")
    clouds, sun, hills = _rows(f, "sky_cloud"), _rows(f, "sky_disc"), _rows(f, "sky_hills")
    foot = smooth(-0.01, 0.07, up)
    out = []
    for i in range(3):
        air = mix(mix(horizon[i], zenith[i], gradient), clouds[i], cloud)
        air = mix(mix(air, sun[i], glow * horizon[i]), sun[i], disc)
        out.append(mix(air, mix(horizon[i], hills[i], 0.55 + 0.45 * foot), hill))
    return out
