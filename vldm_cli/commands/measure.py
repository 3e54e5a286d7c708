"""`vldm measure`: the project's own measurements."""

import typer

from vldm_cli.commands.ablations import ablations
from vldm_cli.commands.continuation import extend
from vldm_cli.commands.quality import quality
from vldm_cli.commands.speed import speed

app = typer.Typer(help="The project's own measurements.")


@app.callback()
def measure() -> None:
    """The project's own measurements."""


app.command()(speed)
app.command()(quality)
app.command()(extend)
app.command(short_help="The paper's ablations, repeated at equal training time.")(ablations)
