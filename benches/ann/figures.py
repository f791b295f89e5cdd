"""Arithmetic on what was measured. Pure: needs neither a server nor a data set."""

import math

import numpy as np


def recall(distances, bounds):
    """The share of rows that belong into the answers: of each query's distances (a row each, infinite where a row is
    missing), those not above the distance of the last row that belongs there. Rows at one distance are all right."""
    distances, bounds = np.asarray(distances), np.asarray(bounds)
    allowed = bounds + 1e-6 * np.abs(bounds) + 1e-12
    return float((distances <= allowed[:, None]).mean())


def quantile(values, share):
    """The value within which this share of the values lies: one of them, not one between two."""
    ordered = np.sort(np.asarray(values))
    place = math.ceil(share * len(ordered)) - 1
    return float(ordered[max(place, 0)])


def frontier(points):
    """Of (recall, cost or rate, higher is better) pairs, those that no other one beats in both, by rising recall."""
    best = []
    for recall_, rate in sorted(points, key=lambda point: (-point[0], -point[1])):
        if not best or rate > best[-1][1]:
            best.append((recall_, rate))
    return best[::-1]


def rate_at(points, wanted):
    """The rate at this recall, interpolated between the frontier's points (its logarithm, in a straight line).

    None if the recall is not reached. If even the fastest point reaches it, that point's rate: it is at least this.
    """
    edge = frontier(points)
    if not edge or edge[-1][0] < wanted:
        return None
    if edge[0][0] >= wanted:
        return edge[0][1]
    for (low, fast), (high, slow) in zip(edge, edge[1:]):
        if low < wanted <= high:
            part = (wanted - low) / (high - low)
            return math.exp(math.log(fast) + part * (math.log(slow) - math.log(fast)))
    return None


def median(values):
    return float(np.median(values))


def ratios(ours, theirs):
    """Ours divided by theirs, round by round: what differs from one machine or minute to another cancels out. Where one
    side was measured more often, only the rounds of both count."""
    return [a / b for a, b in zip(ours, theirs) if b]


def growth(sizes, values):
    """The straight line through the values over log10 of the sizes: slope for ten times the rows, value at one row."""
    slope, start = np.polyfit(np.log10(np.asarray(sizes, dtype=float)), np.asarray(values, dtype=float), 1)
    return float(slope), float(start)


def predicted(sizes, values, size):
    """Where that line is at another size."""
    slope, start = growth(sizes, values)
    return start + slope * math.log10(size)
