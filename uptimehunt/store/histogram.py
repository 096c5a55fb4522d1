"""Histograms of response times: small, mergeable, and good for percentiles over any period.

A time falls into one of `PARTS` equal parts of its power of two: below 2 × PARTS milliseconds each
value has a part of its own, above that a part is at most 1/PARTS of its value wide, so that a
percentile read off a histogram is off by 1.6 % at the most. Histograms of two periods add up to
the histogram of both, which percentiles themselves do not.

Kept as bytes: for each part that holds anything, in ascending order, the distance to the part
before it, and how many times fell into it; numbers of seven bits a byte, the last byte below 128,
and the two in one number where there was but one time.
"""

from collections.abc import Iterable, Iterator, Mapping

PARTS = 32
_BITS = 5

Histogram = dict[int, int]
"""Part → how many times fell into it."""


def part_of(ms: int) -> int:
    """The part that a time falls into.

    Args:
        ms: whole milliseconds, 0 or more.
    """
    octave = max(0, ms.bit_length() - _BITS - 1)
    return octave * PARTS + (ms >> octave)


def middle_of(part: int) -> int:
    """The time in the middle of a part, whole milliseconds."""
    if part < 2 * PARTS:
        return part
    octave = part // PARTS - 1
    least = (part - octave * PARTS) << octave
    return least + ((1 << octave) - 1) // 2


def of(times: Iterable[int]) -> Histogram:
    """The histogram of these times."""
    histogram: Histogram = {}
    for ms in times:
        part = part_of(ms)
        histogram[part] = histogram.get(part, 0) + 1
    return histogram


def add(to: Histogram, other: Mapping[int, int]) -> None:
    """Add another histogram to one."""
    for part, count in other.items():
        to[part] = to.get(part, 0) + count


def percentile(histogram: Mapping[int, int], share: float) -> int | None:
    """The nearest-rank percentile, milliseconds; None of an empty histogram.

    Args:
        histogram: whose.
        share: above 0 and at most 1; 0.95 for p95.
    """
    total = sum(histogram.values())
    rank = max(1, int(-(-total * share // 1)))
    seen = 0
    for part in sorted(histogram):
        seen += histogram[part]
        if seen >= rank:
            return middle_of(part)
    return None


def encode(histogram: Mapping[int, int]) -> bytes:
    """A histogram as bytes."""
    out = bytearray()
    before = 0
    for part in sorted(histogram):
        count = histogram[part]
        _append(out, (part - before) << 1 | (count > 1))
        if count > 1:
            _append(out, count)
        before = part
    return bytes(out)


def _append(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def decode(kept: bytes) -> Histogram:
    """The histogram in these bytes."""
    histogram: Histogram = {}
    part, numbers = 0, iter(kept)
    for byte in numbers:
        first = byte if byte < 128 else _whole(byte, numbers)
        part += first >> 1
        count = 1
        if first & 1:
            byte = next(numbers)
            count = byte if byte < 128 else _whole(byte, numbers)
        histogram[part] = count
    return histogram


def _whole(byte: int, others: Iterator[int]) -> int:
    """The number that begins with a byte and goes on with others; most are one byte long."""
    number, shift = byte & 127, 7
    for byte in others:
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
    return number
