"""Right and wrong answers to the exercises of `chapters/19_gpu.md`."""

import math

from guided_attention.teaching import check_most, check_queue, check_timed


def timed(work, wait, clock, times, warm=True, before=True, after=True, share=True):
    if warm:
        work()
    if before:
        wait()
    begin = clock()
    for _ in range(times):
        work()
    if after:
        wait()
    return (clock() - begin) / (times if share else 1)


def with_a_list(work, wait, clock, times):
    [work() for _ in range(2)]
    wait()
    begin = clock()
    [work() for _ in range(times)]
    wait()
    end = clock()
    return (end - begin) / times


def waits_always(work, wait, clock, times):
    work()
    wait()
    begin = clock()
    for _ in range(times):
        work()
        wait()
    return (clock() - begin) / times


def most(memory, parameters, per_slice, reserve):
    return max(0, int(((1 - reserve) * memory - 16 * parameters) // per_slice))


def by_trying(memory, parameters, per_slice, reserve):
    batch = 0
    while 16 * parameters + (batch + 1) * per_slice <= (1 - reserve) * memory:
        batch += 1
    return batch


def queue(lengths, letter):
    free = 0.0
    for n, length in enumerate(lengths, 1):
        free = max(free, n * letter) + length
    return free


def from_the_end(lengths, letter):
    return max(n * letter + sum(lengths[n - 1 :]) for n in range(1, len(lengths) + 1))


ANSWERS = {
    check_timed: (
        [timed, with_a_list],
        [
            (lambda *a: timed(*a, after=False), "This is the post"),
            (lambda *a: timed(*a, warm=False), "brings its kernel along"),
            (lambda *a: timed(*a, before=False), "wait before it, too"),
            (lambda *a: timed(*a, share=False), "divide by their number"),
            (waits_always, "wait once, after all"),
        ],
    ),
    check_most: (
        [most, by_trying],
        [
            (lambda m, p, s, r: max(0.0, ((1 - r) * m - 16 * p) / s), "a whole number"),
            (lambda m, p, s, r: ((1 - r) * m - 16 * p) // s, "Less than nothing"),
            (lambda m, p, s, r: (1 - r) * m // s, "The weights need room"),
            (lambda m, p, s, r: max(0, ((1 - r) * m - 4 * p) // s), "the weights alone"),
            (lambda m, p, s, r: max(0, math.floor((m - 16 * p) / s)), "The reserve stays free"),
        ],
    ),
    check_queue: (
        [queue, from_the_end],
        [
            (lambda lengths, letter: max(len(lengths) * letter, sum(lengths)), "This is the formula"),
            (lambda lengths, letter: len(lengths) * letter + sum(lengths), "adds them up"),
            (lambda lengths, letter: sum(lengths), "the work alone|not at zero"),
            (lambda lengths, letter: max(n * letter + t for n, t in enumerate(lengths, 1)), "one after the other"),
        ],
    ),
}
