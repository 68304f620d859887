"""Judgements in words, for somebody who was woken by them."""

from observability.evidence import Tally
from observability.findings import Finding
from observability.measures import REFUSED, answers, estimate, failures
from spec.policy import Gate


def describe(gate: Gate, finding: Finding, candidate: Tally, stable: Tally) -> str:
    """One or two sentences with the figures that the finding rests on."""
    match finding:
        case Finding.NOT_ENOUGH_TRAFFIC:
            return f"{answers(gate, candidate):,} answers of the {gate.min_requests:,} that are needed; " + _figures(
                gate, candidate, stable
            )
        case Finding.AT_CAPACITY:
            refused = candidate.count((REFUSED,))
            return f"{refused:,} of {sum(candidate.outcomes):,} requests were refused with 429: the candidate is full"
        case Finding.BAD_EVIDENCE:
            return "the counters are not counts (negative, not finite or not whole); nothing is concluded from them"
        case Finding.NO_LIMIT:
            return f"gate {gate.name} has neither `max` nor `compare` for {gate.metric}, or no quantile; give it one"
        case _:
            return _figures(gate, candidate, stable) + _ENDINGS.get(finding, "")


_ENDINGS = {
    Finding.STABLE_FAILS_TOO: "; the stable release fails this gate too, so this is not the candidate's doing alone",
    Finding.NO_STABLE_EVIDENCE: "; the stable release answered nothing to compare with",
    Finding.UNDECIDED: "; this does not tell yet",
    Finding.MOST_REQUESTS_FAIL: "; no stable release fails like that",
}


def _figures(gate: Gate, candidate: Tally, stable: Tally) -> str:
    text = _latency(gate, candidate) if gate.metric == "latency" else _errors(gate, candidate, "answers failed")
    if answers(gate, stable):
        text += "; the stable release: "
        text += _latency(gate, stable) if gate.metric == "latency" else _errors(gate, stable, "")
    if gate.max is not None:
        text += f"; allowed: {gate.max:,.4g} ms" if gate.metric == "latency" else f"; allowed: {percent(gate.max)}"
    return text


def _errors(gate: Gate, tally: Tally, what: str) -> str:
    count = failures(gate, tally)
    words = f"{count.failed:,} of {count.total:,} {what}".rstrip()
    return words if count.rate is None else f"{words} ({percent(count.rate)})"


def _latency(gate: Gate, tally: Tally) -> str:
    value, name = estimate(gate, tally), f"p{100 * (gate.quantile or 0):g}"
    if value is None:
        return "no answers"
    return f"{name} about {value:,.3g} ms over {answers(gate, tally):,} answers"


def percent(rate: float) -> str:
    """A proportion as a percentage with one decimal, or two digits where that would say nothing."""
    value = 100 * rate
    return f"{value:.2g} %" if 0 < value < 0.05 else f"{value:.1f} %"  # noqa: PLR2004 - rounds to 0.0
