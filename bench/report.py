"""Rows of results: as a table for people, as JSON lines for programs."""

import json
import statistics
from dataclasses import dataclass, field


@dataclass
class Row:
    """One measured thing: a value per round, and the yardstick's value of the same round."""
    name: str
    size: int | None
    values: list
    unit: str
    yardsticks: list
    yardstick_name: str
    at_least: float | None = None  # what the ratio should be
    at_most: float | None = None
    more: dict = field(default_factory=dict)

    @property
    def value(self):
        return statistics.median(self.values)

    @property
    def yardstick(self):
        return statistics.median(self.yardsticks)

    @property
    def ratio(self):
        return self.value / self.yardstick if self.yardstick else float("nan")

    @property
    def mark(self):
        """Whether the target is met; empty if there is none."""
        if self.at_least is not None:
            return "met" if self.ratio >= self.at_least else f"below {self.at_least:g}"
        if self.at_most is not None:
            return "met" if self.ratio <= self.at_most else f"above {self.at_most:g}"
        return ""

    def json(self, context):
        line = {"name": self.name, "size": self.size, "value": significant(self.value), "unit": self.unit,
                "yardstick": significant(self.yardstick), "ratio": significant(self.ratio),
                "yardstick_name": self.yardstick_name, "min": significant(min(self.values)),
                "max": significant(max(self.values)), "yardstick_min": significant(min(self.yardsticks)),
                "yardstick_max": significant(max(self.yardsticks)), "rounds": len(self.values), "mark": self.mark,
                **{key: significant(number) for key, number in self.more.items()}, **context}
        return json.dumps(line)


def significant(number):
    """Four digits are more than these measurements can tell."""
    return float(f"{number:.4g}")


def human(number):
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= limit:
            return f"{number / (1e3 if letter == 'k' else limit):.4g} {letter}"
    return f"{number:.4g}"


HEADINGS = ("name", "size", "min", "median", "max", "unit", "yardstick", "ratio", "target", "of")
WIDTHS = (26, 6, 9, 9, 9, 12, 9, 8, 10, 0)


def cells(parts):
    return "  ".join(f"{part:>{width}}" if 1 <= i <= 4 or 6 <= i <= 7 else f"{part:<{width}}"
                     for i, (part, width) in enumerate(zip(parts, WIDTHS))).rstrip()


def heading():
    return cells(HEADINGS)


def table_line(row):
    extra = "".join(f", {key} {human(number)}" for key, number in row.more.items())
    return cells((row.name, "" if row.size is None else row.size, human(min(row.values)), human(row.value),
                  human(max(row.values)), row.unit, human(row.yardstick), f"{row.ratio:.3g}", row.mark,
                  row.yardstick_name + extra))
