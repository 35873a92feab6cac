"""Reads what a benchmark's service counts (bench/tally.h has the layout)."""

import mmap
import os
import struct

HEADER_BYTES = 4096
HOLD_WORD = 8
RATE_WORD = 9
WORDS = ("live", "received", "committed", "impulses", "violations", "live_nanos", "first_nanos", "samples")


class Tally:
    """The mapped file of one service; made empty, filled by the service."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(HEADER_BYTES + 4 * (1 << 20))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def read(self):
        """All words by name. Each is read at once; they are not of one instant."""
        return dict(zip(WORDS, struct.unpack_from(f"<{len(WORDS)}Q", self._map, 0)))

    def hold(self, held):
        """Stops the flow, or lets it go on."""
        struct.pack_into("<Q", self._map, 8 * HOLD_WORD, int(held))

    def set_rate(self, messages_per_second):
        """Of a source, by the clock; 0: as fast as it goes."""
        struct.pack_into("<Q", self._map, 8 * RATE_WORD, int(messages_per_second))

    def samples(self, first=0):
        """Nanoseconds, in the order in which they were taken, from number `first` on."""
        count = self.read()["samples"]
        return list(struct.unpack_from(f"<{count - first}I", self._map, HEADER_BYTES + 4 * first))

    def close(self):
        self._map.close()
        os.unlink(self.path)
