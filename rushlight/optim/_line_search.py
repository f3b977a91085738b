"""A line search for the strong Wolfe conditions: Nocedal and Wright, algorithms 3.5 and 3.6,
with the safeguards of Schmidt's minFunc."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from math import sqrt

from .. import Tensor
from ._options import to_number

_SUFFICIENT_DECREASE = 1e-4
_CURVATURE = 0.9
_LEAST_CHANGE = 1e-9
_MOST_ITERATIONS = 25

# A place on the line: distance, loss, gradient there and its part along the direction.
_Point = namedtuple("_Point", "t loss gradient slope")


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Tensor]],
    t: float,
    direction: Tensor,
    loss: float,
    gradient: Tensor,
    slope: Tensor,
) -> tuple[float, Tensor, float, int]:
    """Search from distance `t` on; returns loss, gradient, distance and evaluations made."""
    search = _Search(evaluate, direction, _Point(0, loss, gradient.clone(), slope.item()))
    bracket = search.bracket(to_number(t))
    best = search.zoom(bracket)
    return best.loss, best.gradient, best.t, search.evaluations


class _Search:
    def __init__(self, evaluate, direction, start):
        self.evaluate, self.direction, self.start = evaluate, direction, start
        self.longest = direction.abs().max().item()
        self.evaluations = 0
        self.iterations = 0
        self.done = False

    def at(self, t):
        self.evaluations += 1
        loss, gradient = self.evaluate(t)
        return _Point(t, loss, gradient.clone(), gradient.dot(self.direction).item())

    def decreases_too_little(self, point):
        start = self.start
        return point.loss > start.loss + _SUFFICIENT_DECREASE * point.t * start.slope

    def is_flat_enough(self, point):
        return abs(point.slope) <= -_CURVATURE * self.start.slope

    def bracket(self, t):
        """Two points with an acceptable one between them, or one that is acceptable."""
        before, here = self.start, self.at(t)
        while self.iterations < _MOST_ITERATIONS:
            rises = self.iterations > 1 and here.loss >= before.loss
            if self.decreases_too_little(here) or rises:
                return [before, here]
            if self.is_flat_enough(here):
                self.done = True
                return [here]
            if here.slope >= 0:
                return [before, here]
            bounds = here.t + 0.01 * (here.t - before.t), here.t * 10
            before, here = here, self.at(_cubic_minimum(before, here, bounds))
            self.iterations += 1
        return [self.start, here]

    def zoom(self, points):
        """Narrow the bracket down to an acceptable point; returns the lower end."""
        low, high = sorted((points[0], points[-1]), key=lambda point: point.loss)
        stuck = False
        while not self.done and self.iterations < _MOST_ITERATIONS:
            if abs(high.t - low.t) * self.longest < _LEAST_CHANGE:
                break
            t, stuck = self.next_t(low, high, stuck)
            here = self.at(t)
            self.iterations += 1
            if self.decreases_too_little(here) or here.loss >= low.loss:
                low, high = sorted((low, here), key=lambda point: point.loss)
                continue
            if self.is_flat_enough(here):
                self.done = True
            elif here.slope * (high.t - low.t) >= 0:
                high = low
            low = here
        return low

    def next_t(self, low, high, stuck):
        """Interpolate; leave the ends of the bracket when that gets close to them twice."""
        t = _cubic_minimum(low, high)
        first, last = min(low.t, high.t), max(low.t, high.t)
        margin = 0.1 * (last - first)
        if min(last - t, t - first) >= margin:
            return t, False
        if not (stuck or t >= last or t <= first):
            return t, True
        return (last - margin if abs(t - last) < abs(t - first) else first + margin), False


def _cubic_minimum(a, b, bounds=None):
    """Where the cubic through two points with their slopes is least, within bounds."""
    least, most = bounds or (min(a.t, b.t), max(a.t, b.t))
    if a.t > b.t:
        a, b = b, a
    middle = (least + most) / 2.0
    if a.t == b.t:
        return middle
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return middle
    d2 = sqrt(square)
    divisor = b.slope - a.slope + 2 * d2
    if divisor == 0:
        return middle
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / divisor)
    return min(max(t, least), most)
