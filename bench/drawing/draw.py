"""Draws what was found, as SVG: `draw.py RESULTS.json FOLDER`, by a Python that has matplotlib."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.transforms import blended_transform_factory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS = "this project"

# Colours that stand for a role; what a role looks like, light and dark, the picture's style says.
INK, FAINT, PAPER, ACCENT = "#010101", "#020202", "#030303", "#040404"
OTHERS = ["#050505", "#060606", "#070707", "#080808", "#090909", "#0a0a0a"]
ROLES = {
    INK: ("#1f2328", "#e6edf3"),
    FAINT: ("#8c959f", "#7d8590"),
    PAPER: ("#ffffff", "#0d1117"),
    ACCENT: ("#0969da", "#4493f8"),
    OTHERS[0]: ("#bc4c00", "#f0883e"),
    OTHERS[1]: ("#8250df", "#bc8cff"),
    OTHERS[2]: ("#1a7f37", "#3fb950"),
    OTHERS[3]: ("#bf3989", "#f778ba"),
    OTHERS[4]: ("#9a6700", "#d29922"),
    OTHERS[5]: ("#57606a", "#8b949e"),
}
FONTS = "'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "catalog",  # the same names in every run
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.facecolor": "none",
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.titlecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
)


def main(results: Path, folder: Path) -> None:
    """Draw every picture that the results have."""
    for section in json.loads(results.read_text()):
        for picture in section["bars"]:
            save(bars(picture), picture, folder)
        for picture in section["lines"]:
            save(lines(picture), picture, folder)


def bars(picture: dict[str, Any]) -> Figure:
    """Panels of horizontal bars, one below the other."""
    panels = picture["panels"]
    heights = [len(panel["bars"]) + 1.6 for panel in panels]
    figure = Figure(figsize=(7.4, 0.27 * sum(heights) + 0.5), layout="constrained")
    figure.suptitle(plain(picture["title"]), fontsize=12, x=0.01, ha="left")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for panel, [place] in zip(panels, axes, strict=True):
        panel_of_bars(place, panel)
    return figure


def panel_of_bars(axes: Axes, panel: dict[str, Any]) -> None:
    """One bar for each, with its figure behind it."""
    names, values = [plain(name) for name in panel["bars"]], list(panel["bars"].values())
    colours = [ACCENT if name == OURS else FAINT for name in names]
    drawn = axes.barh(names, values, color=colours, height=0.72)
    axes.bar_label(drawn, [figure(value) for value in values], padding=4)
    axes.set_title(" ")  # room for one that begins at the edge of the picture
    at = blended_transform_factory(axes.figure.transFigure, axes.transAxes)
    text = plain(f"{panel['title']}, {panel['unit']}")
    axes.text(0.013, 1.02, text, transform=at, fontsize=9, va="bottom").set_in_layout(False)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values) * 1.12)
    axes.xaxis.set_visible(False)
    axes.tick_params(left=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def lines(picture: dict[str, Any]) -> Figure:
    """Lines over two logarithmic axes, with their names beside their ends."""
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    figure.suptitle(plain(picture["title"]), fontsize=12, x=0.01, ha="left")
    axes = figure.subplots()
    colours = iter(OTHERS)
    for name, points in picture["lines"].items():
        colour, width = (ACCENT, 2.6) if name == OURS else (next(colours), 1.5)
        x, y = zip(*points, strict=True)
        axes.plot(x, y, marker="o", markersize=4, color=colour, linewidth=width, label=name)
    axes.set(xscale="log", yscale="log", xlabel=picture["x"], ylabel=picture["y"])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: figure_of_axis(value))
        axis.set_minor_formatter("")
    axes.grid(color=FAINT, alpha=0.3, linewidth=0.6)
    axes.legend(loc="upper left")
    return figure


def plain(text: str) -> str:
    """Without Markdown."""
    return text.replace("`", "")


def figure(value: float) -> str:
    """A figure with three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def figure_of_axis(value: float) -> str:
    """A figure beside an axis, however small."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def save(drawn: Figure, picture: dict[str, Any], folder: Path) -> None:
    """Write it, with the roles of colours in place of the colours."""
    text = StringIO()
    drawn.savefig(text, format="svg", facecolor=PAPER, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    light: list[str] = []
    dark: list[str] = []
    for number, (role, looks) in enumerate(ROLES.items()):
        svg = svg.replace(role, f"var(--c{number})")
        for rules, look in zip((light, dark), looks, strict=True):
            rules.append(f"--c{number}: {look};")
    style = (
        f"<style>:root {{{' '.join(light)}}}\n"
        f"@media (prefers-color-scheme: dark) {{:root {{{' '.join(dark)}}}}}</style>"
    )
    head = f"<title>{plain(picture['title'])}</title>\n {style}\n <defs>"
    svg = svg.replace("'DejaVu Sans'", FONTS).replace("<defs>", head, 1)
    (folder / f"{picture['name']}.svg").write_text(svg)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
