"""What the libraries find when they are imported, which is the only time that they look."""

import logging
import os
import warnings

from vldm_cli.runs import remarks


def prepare() -> None:
    """Before torch and its family are imported. What is set already stays."""
    # Their remarks are not for the person at the command line.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    remarks.only_ours()  # and `Console` has --quiet keep those back
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    # diffusers imports torchao where it is installed, and torch remarks on how that makes its types known
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    # Threads that wait for each other spin by default. Where another program has one of the cores, that costs most of
    # the time: interpolating on two cores beside others took 47 s with it, and 3.5 s without.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
