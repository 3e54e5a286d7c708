"""`vldm extend`: a clip goes on."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import typer

from vldm_cli.commands import clip as shared
from vldm_cli.commands import options
from vldm_cli.runs.imports import uncollected


@options.on_clip
def extend(
    clip: options.Clips = None,
    out: options.OutOfClips = None,
    clips: options.Listed = None,
    frames: Annotated[int, typer.Option(help="How many frames to add, 1 to 10000.")] = 96,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What happens; default: the clip's own prompt, if it has one."),
    ] = None,
    negative: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the new frames do not show.")
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Only the new frames, without the clip's.")
    ] = False,
    pack: Annotated[
        str | None,
        typer.Option(help="The model: a pack's name or folder; default: what made the clip, or toyland."),
    ] = None,
    motion: options.Motion = None,
    lora: options.Lora = None,
    vae: options.Vae = None,
    embedding: options.Embedding = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same video; default: the clip's own, or drawn."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Denoising steps; default: the clip's own or the pack's.")
    ] = None,
    guidance: options.Guidance = None,
    context_guidance: options.ContextGuidance = None,
    replacement: options.Replacement = False,
    dtype: options.Dtype = "auto",
    crf: Annotated[
        int | None, typer.Option(help="Quality of the file, 0 (best) to 51; default: the clip's own, or 16.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="x264|nvenc", help="What encodes H.264, as for `generate`; default: what made the clip."
        ),
    ] = None,
    *,
    common: options.OnClip,
) -> None:
    """Continue a clip from its last frames, which stay as they are. Interrupted, the same command goes on."""
    from vldm_cli.api.extend import prepare
    from vldm_cli.commands.console import Console, counted

    console = Console(common.quiet, common.verbose, common.as_json)
    lent = common.lent(dtype, "extend")
    common = replace(common, device=lent.there if common.dry_run else lent.device)
    asked: dict[str, Any] = {
        "frames": frames,
        "prompt": prompt,
        "negative": negative,
        "only_new": only_new,
        "pack": options.chosen(pack, motion, lora, vae, embedding),
        "seed": seed,
        "steps": steps,
        "guidance": guidance,
        "context_guidance": context_guidance,
        "replacement": replacement,
        "dtype": lent.dtype,
        "crf": crf,
        "encoder": encoder,
    }
    with lent.pool(not common.dry_run) as pool:
        one = shared.one_clip(console, "extend", clip, clips, out, common, asked, lent.told, pool)
        if one is None:
            return
        with uncollected():
            job = prepare(one, out, **asked, **common.for_job())

            from vldm_cli.pipelines.extend.run import run

        if job.settings.get("read"):
            console.note(f'read as: "{job.settings["read"]}"')
        console.detail(f"{lent.words}, {job.settings['dtype']}: {job.settings}")
        if not common.dry_run:
            shared.make(console, job, partial(run, pool=pool), f"{job.added} of them new, ")
            return
        plan = job.plan
        words = f"{counted(plan['context'], 'frame')} of context, from the clip's {plan['context_from']}, "
        words += f"{counted(plan['keyframes'], 'new keyframe')}, "
        words += f"one every {counted(plan['keyframe_step'], 'frame')}, "
        words += counted(sum(plan["calls"].values()), "denoiser call")
        shared.show_plan(console, job, common.device, [words])
