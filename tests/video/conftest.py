from tests.commands.conftest import vldm

__all__ = ["vldm"]
