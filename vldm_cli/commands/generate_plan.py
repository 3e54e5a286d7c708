"""`vldm generate --dry-run`: the plan of a video."""

import torch

from vldm_cli.commands.console import clock, counted, room, size
from vldm_cli.commands.failures import only_told
from vldm_cli.packs.abilities import Abilities
from vldm_cli.pipelines.generate.making import REMEDY
from vldm_cli.runs.here import Elsewhere
from vldm_cli.runs.memory import check_fits, free_bytes
from vldm_cli.stages.room import check_room


def show_plan(console, job) -> None:
    """What would be made, on stdout. Raises RequestError where the run would for what stands in its place."""
    request, pack, settings, plan = job.request, job.pack.pack, job.settings, job.plan
    variations = len(job.outs)
    job.check_places()
    table = {
        **plan.as_dict(),
        "out": str(job.outs[0]),
        "outs": [str(out) for out in job.outs],
        "prompt": settings.prompt,
        "seed": request.seed,
        "settings": settings.as_dict(),
        "warnings": job.warnings,
        "fps": str(settings.fps),
        "pack": pack.manifest.told,
        "device": request.device,
        "dtype": request.dtype,
        "encoder": settings.encoder,
        "variations": variations,
        **({} if settings.read is None else {"read": settings.read}),
    }
    windows = {"keyframes": len(plan.keyframe_windows), "decode": len(plan.decode_windows)}
    windows |= {level.stage: len(level.windows) for level in plan.levels}
    windows |= {"upscale": len(plan.upscale_windows), "fill": plan.keyframes - 1}
    height, width = plan.out_size
    lines = [
        f"{job.outs[0]}{f' to {job.outs[-1].name}' if variations > 1 else ''}: {counted(plan.frames, 'frame')} of "
        f"{width}x{height} at {settings.fps} fps" + (f", {variations} videos" if variations > 1 else ""),
        f"{counted(plan.keyframes, 'keyframe')}, one every {plan.keyframe_step} frames",
        *Abilities.of(pack.manifest).remarks(plan.between, len(plan.keyframe_windows) > 1 or plan.lead > 0),
    ]
    if request.sketches:
        at = ", ".join(str(plan.keyframe_step * place) for place in job.sketched)
        lines.append(f"keyframes that follow a sketch: {at}")
        table["sketches"] = [plan.keyframe_step * place for place in job.sketched]
    for stage, seconds in plan.estimated_seconds.items():
        calls = counted(plan.calls[stage], "denoiser call") if stage in plan.calls else ""
        cut = (
            counted(windows[stage], "window") if stage in windows else counted(len(plan.segments), "segment")
        )
        lines.append(f"{stage:<14}{cut:>14}{calls:>22}   about {clock(seconds)}")
    total = variations * table["estimated_total_seconds"]
    lines.append(f"about {clock(total)} on {request.device} ({request.dtype}), ")
    lines[-1] += f"{size(plan.estimated_peak_bytes)} of memory at the most"
    if not isinstance(request.device, Elsewhere):
        lines += _memory(console, table, plan, request)
    console.result(table, "\n".join(lines))


def _memory(console, table: dict, plan, request) -> list[str]:
    """How a run would lie in a GPU's memory, in words; a warning where it would be refused for want of memory."""
    device = torch.device(request.device)
    free = free_bytes(device)
    with only_told(console.warn):
        check_fits(plan.estimated_peak_bytes, device, REMEDY)
        check_room(plan, request.running, request.running.low(plan.estimated_peak_bytes, free), device)
    return [] if free is None else [_room(table, plan, request, free)]


def _room(table: dict, plan, request, free: int) -> str:
    """That in words, of a GPU with so many bytes free; the numbers go into the table."""
    low = request.running.low(plan.estimated_peak_bytes, free)
    table |= {"free_bytes": free, "memory": request.running.way(low)}
    waiting = plan.estimated_lowest_bytes if request.running.lossy_memory else plan.estimated_low_bytes
    return room(free, request.device, table["memory"], waiting)
