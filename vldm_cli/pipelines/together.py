"""The units of one video by the workers of a pool: what is said of it meanwhile, here."""

from collections.abc import Mapping, Sequence
from contextlib import closing

from vldm_cli.errors import RunError
from vldm_cli.runs.journal import Journal
from vldm_cli.runs.pool.crew import Crew
from vldm_cli.runs.pool.graph import SEGMENT, Recipe, Unit
from vldm_cli.runs.pool.pool import Broken, Pool
from vldm_cli.runs.preview import ContactSheet
from vldm_cli.runs.progress import Clock, Meter, Progress


def together(
    pool: Pool,
    recipe: Recipe,
    segments: Sequence[tuple[int, int]],
    journal: Journal,
    meters: Mapping[str, Meter],
    clock: Clock,
    progress: Progress,
    sheet: ContactSheet | None,
    remedy: str,
) -> tuple[Crew, float | None]:
    """Everything that is missing is in the journal afterwards: who did it, and the seconds until the first segment was
    there. segments: [start, stop) of each. Raises what broke in a worker."""
    graph = recipe.graph(pool.device)
    done = dict.fromkeys(meters, 0)
    crew, first_seconds = Crew(pool.words), None

    def tell(unit: Unit) -> None:
        told = graph.told.get(unit, {})
        for stage, steps in told.items():
            done[stage] += steps
            meters[stage].upto(done[stage])
        if unit.stage == SEGMENT and told:  # packets that are copied are no frames to wait for
            start, stop = segments[unit.index]
            progress.finished(stop - start)

    missing = graph.ranked(lambda unit: unit.is_done(journal))
    for unit in graph.needs:
        if unit not in missing:
            tell(unit)
    try:
        with closing(pool.make(recipe, graph, journal.folder, missing)) as made:
            for unit, report in made:
                crew.add(report, clock)
                tell(unit)
                if unit.stage == SEGMENT:
                    first_seconds = clock.elapsed if first_seconds is None else first_seconds
                    if sheet:
                        sheet.write()
    except Broken as broken:
        failure = broken.failure
        if failure.kind == "memory":
            stage = f"in the stage {failure.stage} " if failure.stage else ""
            raise RunError(f"memory ran out {stage}on {failure.device} ({remedy})") from broken
        raise failure.exception() from broken
    return crew, first_seconds
