"""Who asks a release, or a server that a gate names, on Headgate's behalf."""

from observability.examination import Examination, Outcome
from observability.verdict import Verdict


class HttpExaminer:
    """Examinations over HTTP."""

    async def examine(self, examination: Examination) -> Outcome:
        """Find out; what cannot be found out is an outcome too."""
        return Outcome(Verdict.ERROR, f"{examination.kind} cannot be examined by this version")
