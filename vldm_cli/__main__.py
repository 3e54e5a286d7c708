"""`python -m vldm_cli` is `vldm`."""

from vldm_cli.commands.app import main

main()
