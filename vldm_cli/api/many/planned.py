"""What a task would cost, for `--dry-run`: nothing is made."""

from typing import Any

from vldm_cli.api.kept import Kept
from vldm_cli.api.many.task import Task, job_of, request_of


def planned(task: Task, kept: Kept) -> dict[str, Any]:
    """Size, rate, seed and estimates of a video; a clip is opened for it. Raises RequestError."""
    told: dict[str, Any] = {"index": task.index, "out": str(task.out)}
    if task.command != "generate":
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

    from vldm_cli.pipelines.generate.request import plan_of, resolve

    request, _ = request_of(task, kept)
    manifest = kept.pack(*(task.options[name] for name in ("pack", "device", "dtype"))).pack.manifest
    settings = resolve(request, manifest)
    plan = plan_of(settings, manifest, request.device)
    height, width = plan.out_size
    return {
        **told,
        "prompt": task.subject,
        "seed": request.seed,
        **plan.as_dict(),
        "width": width,
        "height": height,
        "fps": str(settings.fps),
        "made_before": False,
    }
