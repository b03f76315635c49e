"""How many of a population are members, seen from a sample, and how far off that may be.

The sample is drawn without replacement and without regard to the question, so the members in it follow a
hypergeometric law. The bounds hold with 95% confidence:

- few members, or few others (at most `FEW`): Clopper and Pearson, "The use of confidence or fiducial limits illustrated
  in the case of the binomial", Biometrika 26 (1934). The bound p solves P(X >= k | p) = 2.5% (lower) or
  P(X <= k | p) = 2.5% (upper) for X ~ B(n, p). Exact for the binomial law, and cautious for ours, which spreads less.
- else: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927):
  (p + z^2/2m -+ z sqrt(p(1-p)/m + z^2/4m^2)) / (1 + z^2/m) with z = 1.96. In place of n stands
  m = n (N - 1) / (N - n), the finite population correction (Cochran, "Sampling Techniques", 1977, section 2.6).
"""

import math
from dataclasses import dataclass

CONFIDENCE = 0.95
FEW = 30
_Z = 1.959963984540054
_TAIL = (1 - CONFIDENCE) / 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number of members, and the bounds between which it lies with 95% confidence, both included."""

    count: int
    low: int
    high: int

    @property
    def exact(self) -> bool:
        """It is no estimate."""
        return self.low == self.high

    def limited(self, count: int | None, share: int | None, whole: int) -> "Estimate":
        """Of these members only so many, or so many of `whole` parts of them."""

        def keep(members: int) -> int:
            return min(members, count) if count is not None else members * (share or 0) // whole

        return Estimate(keep(self.count), keep(self.low), keep(self.high))


def estimate(members: int, sample: int, population: int) -> Estimate:
    """Of a population of N, of whom n were drawn and k are members."""
    if not 0 <= members <= sample <= population:
        raise ValueError(f"{members} of {sample} of {population}")
    if sample == population:
        return Estimate(members, members, members)
    if sample == 0:
        return Estimate(0, 0, population)
    if min(members, sample - members) <= FEW:
        low, high = _clopper_pearson(members, sample)
    else:
        low, high = _wilson(members, sample, population)
    # Whoever was seen is certain: members in the sample, and others in it.
    least = max(members, math.floor(low * population))
    most = min(population - (sample - members), math.ceil(high * population))
    return Estimate(round(members / sample * population), least, most)


def _wilson(members: int, sample: int, population: int) -> tuple[float, float]:
    m = sample * (population - 1) / (population - sample)
    p, z2 = members / sample, _Z * _Z
    middle = p + z2 / (2 * m)
    spread = _Z * math.sqrt(p * (1 - p) / m + z2 / (4 * m * m))
    return (middle - spread) / (1 + z2 / m), (middle + spread) / (1 + z2 / m)


def _clopper_pearson(members: int, sample: int) -> tuple[float, float]:
    if sample - members < members:
        low, high = _clopper_pearson(sample - members, sample)
        return 1 - high, 1 - low
    low = 0.0 if members == 0 else _solved(members - 1, sample, 1 - _TAIL)
    high = 1.0 if members == sample else _solved(members, sample, _TAIL)
    return low, high


def _solved(members: int, sample: int, wanted: float) -> float:
    """The p with P(X <= members) = wanted; that falls as p grows."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(members, sample, middle) > wanted else (low, middle)
    return (low + high) / 2


def _at_most(members: int, sample: int, p: float) -> float:
    """P(X <= members) for X ~ B(sample, p), a few terms."""
    if p <= 0.0:
        return 1.0
    if p >= 1.0:
        return 1.0 if members >= sample else 0.0
    yes, no = math.log(p), math.log1p(-p)
    total = 0.0
    for k in range(members + 1):
        ways = math.lgamma(sample + 1) - math.lgamma(k + 1) - math.lgamma(sample - k + 1)
        total += math.exp(ways + k * yes + (sample - k) * no)
    return min(total, 1.0)
