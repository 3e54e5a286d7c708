"""What a task would cost, for `--dry-run`: nothing is made."""

from dataclasses import replace
from typing import Any

from vldm_cli.api.kept import Kept
from vldm_cli.api.many.places import nearest
from vldm_cli.api.many.task import Task, job_of, request_of


def planned(task: Task, kept: Kept) -> dict[str, Any]:
    """Size, rate, seed and estimates of a video; a clip is opened for it. Raises RequestError."""
    told: dict[str, Any] = {"index": task.index, "out": str(task.out)}
    if task.command != "generate":
        if not task.out.parent.exists():  # it is made with the video
            options = {**task.options, "preview": None, "force": True}
            # by another name, or it might be the clip's own
            task = replace(task, out=nearest(task.out.parent) / f"planned-{task.out.name}", options=options)
        job, made = job_of(task, kept)
        size = {"frames": len(job.times), "width": job.raw.width, "height": job.raw.height}
        return {
            **told,
            "clip": task.subject,
            **size,
            "fps": str(job.times.fps),
            **job.plan,
            "made_before": made,
        }

    from vldm_cli.pipelines.generate.settings import plan_of, resolve

    request, _ = request_of(task, kept)
    manifest = kept.asked(task.options).pack.manifest
    settings = resolve(request, manifest)
    plan = plan_of(settings, manifest, request.device)
    height, width = plan.out_size
    return {
        **told,
        "prompt": task.subject,
        **({} if settings.read is None else {"read": settings.read}),
        "seed": request.seed,
        "frames": plan.frames,
        "width": width,
        "height": height,
        "keyframes": plan.keyframes,
        "calls": plan.calls,
        "estimated_total_seconds": round(sum(plan.estimated_seconds.values()), 3),
        "estimated_peak_bytes": plan.estimated_peak_bytes,
        "fps": str(settings.fps),
        "made_before": False,
    }
