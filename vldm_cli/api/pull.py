"""Packs of public checkpoints: what is to be fetched, and fetching it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vldm_cli.runs.events import ProgressEvent

if TYPE_CHECKING:
    from vldm_cli.packs.origins.pull import Plan


def pull_pack(
    name: str,
    *,
    accept_licence: bool = False,
    on_progress: Callable[[ProgressEvent], object] | None = None,
) -> str:
    """Fetches a pack from the hub, so that `load_pack` finds it; returns its name.

    name: one of those that vldm comes with and holds no weights of (`vldm packs list`), or OWNER/NAME[@REVISION] of a
    model in diffusers' layout. accept_licence: that you have read and accept licences that are not free for every use;
    some packs get a better part with it. on_progress: told of files, in MiB. Nothing else in vldm uses the network.

    Raises RequestError for what the hub will not give and where the licence is yet to be accepted, and RunError when
    the connection breaks: what has been fetched is kept, and the same call goes on.
    """
    from vldm_cli.runs.events import reporter
    from vldm_cli.runs.progress import NullProgress

    progress = reporter(on_progress) or NullProgress()
    plan = plan_pull(name, accept_licence)

    def begin(one) -> Callable[[int], None]:
        return megabytes(progress, one.origin.file, one.size)

    return plan.fetch(begin).name


def plan_pull(name: str, accept_licence: bool = False) -> Plan:
    """What `pull_pack` will do. Raises as it does."""
    from vldm_cli.packs.origins.pull import plan

    return plan(name, accept_licence)


def megabytes(progress, stage: str, size: int | None) -> Callable[[int], None]:
    """Counts bytes into a progress that counts MiB."""
    progress.start(stage, -(-(size or 0) >> 20) or 1)
    told = had = 0

    def advance(count: int) -> None:
        nonlocal told, had
        had += count
        reached = -(-had >> 20)
        if reached > told:
            progress.advance(stage, reached - told)
            told = reached

    return advance
