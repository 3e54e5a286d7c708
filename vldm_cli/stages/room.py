"""Whether a GPU has room for what a plan needs, and what to do where it has not."""

import torch

from vldm_cli.runs.memory import check_free
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.running import FP8, LOWEST, Running

SMALLER = "a smaller --size, or --no-upscale, needs less"


def check_room(plan: Plan, running: Running, low: bool, device: torch.device) -> None:
    """Raises RequestError where by far not so much is free there. low: whether weights wait beside it."""
    if running.memory == LOWEST:
        check_free(plan.estimated_lowest_bytes, device, SMALLER)
    elif low:
        check_free(plan.estimated_low_bytes, device, f"--memory {LOWEST}, {SMALLER}")
    else:
        without = f"leave --fast {FP8} out and " if FP8 in running.fast else ""
        check_free(plan.estimated_peak_bytes, device, f"{without}use --memory low, or free some")
