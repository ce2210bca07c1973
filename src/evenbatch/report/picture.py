"""A race as a picture: both arms' curves over steps and over time, on white, for screen and print.

Colours are Okabe and Ito's orange and a dark blue, which people with any colour vision can tell
apart; a dash pattern and labels say the same without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from evenbatch.experiments.protocol import CANNOT_TELL, Verdict
from evenbatch.experiments.race import Comparison, Finding, Race
from evenbatch.experiments.race_exhibits import Side, band, sides
from evenbatch.experiments.selection import chance
from evenbatch.experiments.speed import CLAIM
from evenbatch.experiments.wording import amount, count, digits, times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, FAINT = "#1a1a1a", "#595959", "#dddddd"
COLORS = ("#d55e00", "#00558f")  # without, with
DASHES: tuple[Any, Any] = ((0, (4.5, 1.8)), "solid")
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "text.parse_math": False,  # a dollar in a file's name is a dollar
    "svg.hashsalt": "evenbatch",
}


def draw(race: Race, found: Finding, verdict: Verdict) -> Figure:
    """The picture of best against best; `found` must hold at least one measured pair.

    The line across is the goal; a dot on it is an arm's median steps, or time, to the goal.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels = sides(race, found)
    wide = len(panels) > 1
    with rc_context(STYLE):
        figure = Figure(figsize=(10.4 if wide else 6.4, 5.4), dpi=150, facecolor="white")
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        figure.subplots_adjust(
            left=0.062 if wide else 0.1, right=0.935, top=0.685, bottom=0.19, wspace=0.06
        )
        axes[0].set_ylim(*_limits(race, found, panels))
        for place, (ax, side) in enumerate(zip(axes, panels, strict=True)):
            _curves(ax, race, found.comparisons[0], side)
            _goal(ax, race, found, side, last=place == len(panels) - 1)
            _dress(ax, race, side, first=place == 0)
        _words(figure, race, found, verdict, axes[0].get_position().x0)
        return figure


def _curves(ax: Axes, race: Race, best: Comparison, side: Side) -> None:
    floor = chance(race.data)
    for place, name in enumerate(("without normalization", f"with {race.norm_name}")):
        shape = band([pair[place] for pair in best.curves], floor)
        x, color = shape.step * side.scale[place], COLORS[place]
        ax.fill_between(x, shape.low, shape.high, color=color, alpha=0.22, linewidth=0, zorder=2)
        ax.plot(x, shape.middle, color=color, lw=1.8, ls=DASHES[place], zorder=3, label=name)
    ax.set_xlim(0, side.end)


def _goal(ax: Axes, race: Race, found: Finding, side: Side, last: bool) -> None:
    """Goal line, a dot where each arm reaches it, and above the curves what each needed."""
    assert found.goal is not None
    goal = found.goal.value
    top = ax.get_ylim()[1]
    ends = [min(r, side.end) for r in side.reach]
    ax.axhline(goal, color=INK, lw=0.9, zorder=1.5)
    roomy = max(ends) - min(ends) > 0.5 * side.end
    for place, (x, reach) in enumerate(zip(ends, side.reach, strict=True)):
        if not np.isfinite(reach):
            ax.plot([x], [goal], ">", ms=8, color=INK, zorder=5, clip_on=False)
            continue
        color = COLORS[place]
        ax.plot([x, x], [goal, top], color=color, lw=1, ls=(0, (1, 2)), zorder=1.2)
        ax.plot([x], [goal], "o", ms=7, mfc="white", mec=color, mew=2.2, zorder=6)
        amount_ = digits(reach) if side.short == "ms" else f"{reach:.0f}"
        # Both beside the ratio where there is room; else above it, turned away from each other.
        crowded = not roomy and x == min(ends) and x > 0.16 * side.end
        ax.annotate(
            f"{amount_} {side.short}", (x, top), xytext=(0, 5 if roomy else 24), va="bottom",
            ha="right" if crowded else "left", textcoords="offset points", color=color,
            fontsize=10.5, fontweight="bold", annotation_clip=False,
        )  # fmt: skip
    if np.isfinite(side.effect.value) and np.isfinite(min(side.reach)):
        _gap(ax, side, ends, top)
    if last:
        ax.annotate(
            f"goal\n{amount(race.data, goal)}", (side.end, goal), xytext=(5, 0), fontsize=9.5,
            textcoords="offset points", ha="left", va="center", color=INK, annotation_clip=False,
        )  # fmt: skip


def _gap(ax: Axes, side: Side, ends: list[float], top: float) -> None:
    """The ratio above the curves, on an arrow from one arm's line to the other's."""
    more = max(side.effect.value, 1 / side.effect.value)
    low, high = sorted(ends)
    ax.annotate(
        "", (high, top), xytext=(low, top), annotation_clip=False,
        arrowprops={"arrowstyle": "<->", "color": INK, "lw": 1.1, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    if high - low < 0.25 * side.end:
        return
    sign = "≥ " if side.effect.bound else ""
    ax.annotate(
        f"{sign}{digits(more)}×", ((low + high) / 2, top), xytext=(0, 3), ha="center",
        textcoords="offset points", va="bottom", fontsize=15, fontweight="bold", color=INK,
        annotation_clip=False,
    )  # fmt: skip


def _limits(race: Race, found: Finding, panels: Sequence[Side]) -> tuple[float, float]:
    """From chance to a little above what is seen of either arm, the same for all panels."""
    assert found.goal is not None
    floor = chance(race.data)
    top = found.goal.value
    for place in (0, 1):
        shape = band([pair[place] for pair in found.comparisons[0].curves], floor)
        for side in panels:
            seen = shape.step * side.scale[place] <= side.end
            top = max(top, float(shape.high[seen].max()))
    height = top - floor
    return floor - 0.05 * height, top + 0.08 * height


def _dress(ax: Axes, race: Race, side: Side, first: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.set_xlabel(side.unit, color=GREY, fontsize=10.5, labelpad=5)
    ax.tick_params(colors=GREY, labelsize=9.5, length=0)
    ax.grid(axis="y", color=FAINT, lw=0.7)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(6, min_n_ticks=3, prune="upper"))
    ax.yaxis.set_major_locator(MaxNLocator(6))
    if race.data.task == "classification":
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.0f} %"))
    if not first:
        ax.tick_params(labelleft=False)
    for edge in ("top", "right", "left"):
        ax.spines[edge].set_visible(False)
    ax.spines["bottom"].set_color(GREY)


def title(race: Race, found: Finding) -> str:
    """What happened, as short as can be."""
    assert found.goal is not None
    best = found.comparisons[0]
    goal = f"{race.data.name}: {amount(race.data, found.goal.value)}"
    if race.data.task == "classification":
        goal += f" {race.metric}"
    without, with_norm = (float(np.median(s)) for s in (best.steps.without, best.steps.with_norm))
    if np.isfinite(without) and np.isfinite(with_norm):
        return f"{goal} after {with_norm:.0f} steps with {race.norm_name}, {without:.0f} without"
    first, second = (
        f"after {np.median(s):.0f} steps"
        if np.isfinite(np.median(s))
        else ("mostly never" if np.isfinite(s).any() else "never")
        for s in (best.steps.with_norm, best.steps.without)
    )
    return f"{goal} {first} with {race.norm_name}, {second} without"


def _words(figure: Figure, race: Race, found: Finding, verdict: Verdict, left: float) -> None:
    """Title, ratios and verdict above; whose curves these are; settings below."""
    best = found.comparisons[0]
    ratios = ", ".join(times(effect, brief=True) for effect in best.effects if best.steps.told)
    ratios = f"{ratios[:1].upper()}{ratios[1:]} to get there." if ratios else ""
    answer = f"“{CLAIM}” {verdict.answer}: {verdict.reason}."
    if verdict.answer == CANNOT_TELL:
        answer = f"Whether “{CLAIM}” holds cannot be told: {verdict.reason}."
    heading: dict[str, Any] = {"color": INK, "va": "center"}
    figure.text(left, 0.955, title(race, found), fontsize=14.5, fontweight="bold", **heading)
    figure.text(left, 0.902, ratios, fontsize=10.5, **heading)
    figure.text(left, 0.86, answer, fontsize=10.5, **heading)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="center left", ncols=2, frameon=False,
        bbox_to_anchor=(left - 0.008, 0.812), fontsize=10.5, handlelength=2.8, columnspacing=1.8,
        labelcolor=INK,
    )  # fmt: skip
    rates = f"{best.rates[0]:g} without, {best.rates[1]:g} with"
    seeds = len(best.curves)
    notes = (
        f"Lines: median of {count(seeds, 'seed')}; bands: their middle half; in brackets: 95 % "
        f"intervals. Each arm at its best learning rate, {rates}.",
        f"{race.network_words}; {race.data_words}.",
    )
    small = "\n".join(
        line for note in notes for line in wrap(note, 148 if len(figure.axes) > 1 else 90)
    )
    figure.text(left, 0.02, small, fontsize=8, color=GREY, va="bottom", linespacing=1.5)


def save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write the picture as PNG and SVG; the same picture gives the same SVG to the byte."""
    import warnings

    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}.png", folder / f"{stem}.svg"]
    with rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in a script without glyphs
        figure.savefig(paths[0], metadata={"Software": "evenbatch"})
        figure.savefig(paths[1], metadata={"Date": None, "Creator": "evenbatch"})
    return paths
