"""`--variations`: several videos of one request, of neighbouring seeds, and which of them are made already."""

import secrets
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.settings import resolve
from vldm_cli.runs.folder import run_folder, stored_plan
from vldm_cli.video.read import metadata_of


def first_seed(request: GenerateRequest, pack: Pack, first_out: Path) -> int:
    """The seed of the first variation: the one asked for, the one of the interrupted command, or a drawn one."""
    if request.seed is not None:
        return request.seed
    if request.resume:
        before = metadata_of(first_out) or stored_plan(run_folder(first_out)) or {}
        if _same(before, request, pack) and isinstance(before.get("seed"), int):
            return before["seed"]
    return secrets.randbelow(2**31)


def are_ours(request: GenerateRequest, pack: Pack, outs: list[Path]) -> bool:
    """Whether those files are variations of this request, made by the same command before it was stopped."""
    return request.resume and all(_same(metadata_of(out) or {}, request, pack) for out in outs)


def is_made(request: GenerateRequest, pack: Pack) -> bool:
    """Whether the variation's file is there, made by the same request. Raises RequestError for anybody else's."""
    if not request.out.exists():
        return False
    from vldm_cli.runs.attempt import tidy  # imports torch

    before = metadata_of(request.out) if request.resume else None
    if before and before.get("seed") == request.seed and _same(before, request, pack):
        tidy(request.out)  # in case its run was stopped in its last moment
        return True
    if request.force:
        return False
    raise RequestError(f"{request.out} exists; name another --out or add --force to replace it")


def _same(before: dict, request: GenerateRequest, pack: Pack) -> bool:
    settings = resolve(request, pack.manifest).as_dict()
    made = before.get("pack")  # whatever stands there
    return (
        before.get("settings") == settings
        and isinstance(made, dict)
        and made.get("hash") == pack.manifest.hash
    )
