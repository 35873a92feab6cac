"""Lines in an SVG file: x from 0 to 100 %, y logarithmic."""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 140, 40, 50
COLOURS = ("#1b6ca8", "#7fb2d6", "#b3541e", "#e3a577", "#3c7a3c", "#98c598")


@dataclass
class Series:
    """A line: its name, and points (x, y)."""
    name: str
    points: list


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def line(x1, y1, x2, y2, colour="#ddd"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def write_svg(path, title, x_name, y_name, series, note=""):
    """Draws `series` with a grid of decades."""
    ys = [y for one in series for _, y in one.points]
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 1e-9)
    bottom = HEIGHT - BOTTOM

    def at(x, y):
        return (LEFT + (WIDTH - LEFT - RIGHT) * x / 100,
                bottom - (bottom - TOP) * (math.log10(y) - low) / max(1, high - low))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             text(LEFT, 22, title, "start", 'font-size="15"'), text(WIDTH - 10, 22, note, "end", 'fill="#777"')]
    for decade in range(low, high + 1):
        (x1, y), (x2, _) = at(0, 10 ** decade), at(100, 10 ** decade)
        parts += [line(x1, y, x2, y), text(LEFT - 8, y + 4, f"{10 ** decade:g}", "end")]
    for x in range(0, 101, 20):
        parts += [line(at(x, 1)[0], TOP, at(x, 1)[0], bottom), text(at(x, 1)[0], bottom + 18, f"{x}")]
    parts += [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_name),
              text(18, (TOP + bottom) / 2, y_name, "middle", f'transform="rotate(-90 18 {(TOP + bottom) / 2:.1f})"')]
    for i, one in enumerate(series):
        colour, places = COLOURS[i % len(COLOURS)], [at(*point) for point in one.points]
        path_of_line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path_of_line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        parts += [line(WIDTH - RIGHT + 12, TOP + 20 * i + 6, WIDTH - RIGHT + 32, TOP + 20 * i + 6, colour),
                  text(WIDTH - RIGHT + 38, TOP + 20 * i + 10, one.name, "start")]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")
