"""Right and wrong answers to the exercises of `chapters/20_scaling.md`."""

import heapq

from guided_attention.teaching import check_finish, check_gain, check_merge


def merge(a, b):
    (n, mean_a, var_a), (m, mean_b, var_b) = a, b
    mean = (n * mean_a + m * mean_b) / (n + m)
    return n + m, mean, (n * (var_a + (mean_a - mean) ** 2) + m * (var_b + (mean_b - mean) ** 2)) / (n + m)


def by_squares(a, b):
    n = a[0] + b[0]
    mean, square = (sum(part[0] * f(part) for part in (a, b)) / n for f in (lambda p: p[1], lambda p: p[2] + p[1] ** 2))
    return n, mean, square - mean**2


def changed(change):
    return lambda a, b: change(a, b, *merge(a, b))


def finish(times, workers, order=lambda times: sorted(times, reverse=True)):
    free = [0.0] * workers
    for one in order(times):
        free[free.index(min(free))] += one
    return max(free)


def with_a_heap(times, workers):
    free = [0] * workers
    for one in sorted(times)[::-1]:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


def gain(compute, size, speed, devices):
    return compute / (compute / devices + 2 * (devices - 1) / devices * size / speed)


def rearranged(compute, size, speed, devices):
    return devices / (1 + 2 * (devices - 1) * size / (speed * compute))


ANSWERS = {
    check_merge: (
        [merge, by_squares],
        [
            (changed(lambda a, b, n, m, v: (n, m, (a[0] * a[2] + b[0] * b[2]) / n)), "what lies between them"),
            (changed(lambda a, b, n, m, v: (n, (a[1] + b[1]) / 2, v)), "weigh with the counts"),
            (changed(lambda a, b, n, m, v: (n, m, v * n / (n - 1))), "not by one less"),
            (changed(lambda a, b, n, m, v: (n, m, v * n)), "divide it by the count"),
            (changed(lambda a, b, n, m, v: (n, m, v**0.5)), "expected"),
        ],
    ),
    check_finish: (
        [finish, with_a_heap],
        [
            (lambda times, workers: finish(times, workers, order=list), "in the order given"),
            (lambda times, workers: finish(times, workers, order=sorted), "shortest first"),
            (lambda times, workers: sum(times) / workers, "an even share"),
            (lambda times, workers: sum(times), "this is the sum"),
            (lambda times, workers: max(times), "a lower bound"),
        ],
    ),
    check_gain: (
        [gain, rearranged],
        [
            (lambda compute, size, speed, devices: devices, "leaves the talking out"),
            (lambda c, size, speed, w: c / (c + 2 * (w - 1) / w * size / speed), "divide the work"),
            (
                lambda c, size, speed, w: c / (c / w + (w - 1) / w * size / speed),
                "Both ways|not all of them",
            ),
            (lambda *a: 1 / gain(*a), "The other way round"),
            (lambda c, size, speed, w: c / w + 2 * (w - 1) / w * size / speed, "the time of a step|other way round"),
        ],
    ),
}
