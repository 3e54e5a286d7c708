"""From the words of a call to a `GenerateRequest`: first what can be refused without looking at a file, then the
pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.api import checks
from vldm_cli.api.packs import LoadedPack, check_moves
from vldm_cli.api.remarks import check_prompt
from vldm_cli.video.encoders import X264

if TYPE_CHECKING:
    import numpy as np

    from vldm_cli.api.sketches import Drawing
    from vldm_cli.pipelines.generate.request import GenerateRequest


def asked(
    prompt: str,
    out: Path,
    pack: LoadedPack,
    *,
    frames: int | None,
    negative: str,
    as_written: bool = False,
    upscale: bool | None,
    interpolation: int | None,
    between: str | None,
    replacement: bool,
    size: tuple[int, int] | str | None,
    seed: int | None,
    steps: int | None,
    guidance: float | None,
    context_guidance: float | None,
    fps: Fraction | str | float | None,
    crf: int = 16,
    encoder: str = X264,
    preview: str | Path | None = None,
    resume: bool = True,
    force: bool = False,
) -> tuple[GenerateRequest, str | None]:
    """The request, but for its first frame, and the warning about it: all that can be refused before a file is looked
    at. Raises RequestError."""
    from vldm_cli.pipelines.generate.request import GenerateRequest
    from vldm_cli.pipelines.generate.settings import off_track, resolve

    check_moves(pack.pack)
    request = GenerateRequest(
        prompt=prompt,
        out=out,
        frames=frames,
        negative=negative,
        as_written=as_written,
        seed=seed,
        fps=checks.parse_fps(fps),
        steps=steps,
        guidance=guidance,
        context_guidance=context_guidance,
        interpolation=interpolation,
        between=between,
        replacement=replacement,
        upscale=upscale,
        size=checks.parse_size(size),
        running=pack.running,
        crf=crf,
        encoder=encoder,
        preview=None if preview is None else Path(preview),
        resume=resume,
        force=force,
    )
    settings = resolve(request, pack.pack.manifest)
    warning = check_prompt(pack.pack, pack.words, settings.text, negative)
    said = [*filter(None, [warning]), *off_track(settings, pack.pack.manifest)]
    return request, "; ".join(said) or None


def complete(
    request: GenerateRequest,
    pack: LoadedPack,
    image: str | Path | np.ndarray | None,
    sketch: Sequence[Drawing] = (),
) -> GenerateRequest:
    """The request with its first frame and its sketches, and with the pack's device and number format. Raises
    RequestError where they cannot be used."""
    from vldm_cli.api.sketches import read_sketches
    from vldm_cli.pipelines.generate.settings import plan_of, resolve

    manifest = pack.pack.manifest
    if isinstance(image, str | Path):
        from vldm_cli.video.read import read_image

        image = read_image(image, plan_of(resolve(request, manifest), manifest).out_size)
    settings = resolve(request, manifest)
    sketches = read_sketches(sketch, (settings.height, settings.width), manifest)
    request = replace(request, image=image, sketches=sketches, device=pack.device, dtype=pack.dtype)
    resolve(request, manifest)  # which refuses a picture of another size
    return request
