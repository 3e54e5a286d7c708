"""What vldm's own code warns of while it works, and what becomes of that: a command prints it, a worker keeps it for
who directs it. No torch."""

import warnings

_kept: list[str] = []


def only_ours() -> None:
    """Warnings of vldm's own are said, once each; those of libraries are not for the person."""
    warnings.filterwarnings("ignore")
    warnings.filterwarnings("once", category=UserWarning, module=r"vldm_cli\.")


def keep() -> None:
    """From now on they are kept in this process, and nothing is printed."""
    only_ours()
    warnings.showwarning = _keep


def kept() -> tuple[str, ...]:
    """Those since this was asked last."""
    said: list[str] = []
    while _kept:  # other threads may warn meanwhile
        said.append(_kept.pop(0))
    return tuple(said)


def _keep(message: Warning | str, *_: object, **__: object) -> None:
    _kept.append(" ".join(str(message).split()))
