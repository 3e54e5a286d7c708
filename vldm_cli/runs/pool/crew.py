"""What the workers of a pool have done for one video, added up."""

from vldm_cli.runs.pool.told import Report
from vldm_cli.runs.progress import Clock


class Crew:
    """words: the workers' kind and number, for the result's device. remarks: what they have to say to the person."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.remarks: list[str] = []
        self._workers: dict[tuple[str, str, int], dict] = {}

    def add(self, report: Report, clock: Clock) -> None:
        """A unit is done: its time is the stages' on that clock, which are then sums over workers."""
        self.remarks += report.remarks
        for stage, seconds in report.seconds.items():
            clock.seconds[stage] = clock.seconds.get(stage, 0.0) + seconds
        worker = self._workers.setdefault(
            (report.host, report.device, report.process),
            {
                "host": report.host,
                "device": report.device,
                "process": report.process,
                "threads": report.threads,
                "units": 0,
                "seconds": 0.0,
                "peak_memory_bytes": None,
            },
        )
        worker["units"] += 1
        worker["seconds"] = round(worker["seconds"] + report.total, 3)
        worker["peak_memory_bytes"] = max(report.peak_bytes or 0, worker["peak_memory_bytes"] or 0) or None

    @property
    def workers(self) -> list[dict]:
        """A table for each process that has done something."""
        return [self._workers[key] for key in sorted(self._workers)]

    @property
    def peak_bytes(self) -> int | None:
        """Of the one that has used most."""
        return max((worker["peak_memory_bytes"] or 0 for worker in self.workers), default=0) or None
