"""`vldm --version`: which vldm this is, and with -v what it stands on."""


def short() -> str:
    """One line, without a heavy import."""
    from vldm_cli import __version__

    return f"vldm {__version__}"


def long() -> str:
    """That line, and what a report of a fault should name: torch, the device that is chosen, and the packs here."""
    import torch

    from vldm_cli.api.device import choose_device, explain_dtype
    from vldm_cli.packs.pack import Pack, embedded

    device = choose_device()
    manifests = [Pack.open(folder, check=False).manifest for folder in embedded().values()]
    return "\n".join(
        [
            short(),
            f"torch {torch.__version__}",
            f"device {device}, {explain_dtype(device)[0]}",
            *(f"pack {m.name}, version {m.version}, hash {m.hash}" for m in manifests),
        ]
    )
