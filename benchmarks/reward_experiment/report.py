"""Writes what came out: results.json with every figure, results.md with the tables for people."""

import json
import math
from pathlib import Path

FRAMES, MEDIAN = "frames_figures", "episode_median"
# Heading, where the figure stands, its key, how it is printed.
ROWS = (
    ("within ±25 %, all frames", FRAMES, "within_25_percent", "percent"),
    ("within ±25 %, episode median", MEDIAN, "within_25_percent", "percent"),
    ("absolute relative error, all frames", FRAMES, "abs_rel", "plain"),
    ("absolute relative error, episode median", MEDIAN, "abs_rel", "plain"),
    ("mean absolute error, all frames", FRAMES, "mae_m", "millimetres"),
    ("mean absolute error, episode median", MEDIAN, "mae_m", "millimetres"),
    ("bias, all frames", FRAMES, "bias_m", "millimetres"),
    ("mean absolute error without bias, all frames", FRAMES, "mae_debiased_m", "millimetres"),
    ("mean absolute error without each episode's bias, episode median", MEDIAN, "mae_debiased_m", "millimetres"),
    ("Spearman with `surface` truth, episode median", MEDIAN, "spearman_surface", "plain"),
    ("Spearman with `cloud` truth, episode median", MEDIAN, "spearman_cloud", "plain"),
    ("Pearson with `surface` truth, episode median", MEDIAN, "pearson_surface", "plain"),
    ("Pearson with `cloud` truth, episode median", MEDIAN, "pearson_cloud", "plain"),
    ("Kendall tau-a with `cloud` truth, episode median", MEDIAN, "kendall_tau_a", "plain"),
    ("value-order correlation, episode median", MEDIAN, "value_order_correlation", "plain"),
    ("monotone violations, all frames", FRAMES, "monotone_violation_rate", "percent"),
    ("invalid steps, all frames", FRAMES, "invalid_rate", "percent"),
)
HEADINGS = {
    "depth": "colour + depth",
    "colour": "colour only",
    "geometry": "depth geometry",
    "constant": "constant",
    "perfect": "`cloud` truth",
}
# What is judged of a control, and whether larger is better.
CONTROL_FIGURES = (
    (FRAMES, "within_25_percent", "percent"),
    (FRAMES, "abs_rel", "plain"),
    (MEDIAN, "spearman_cloud", "plain"),
)


def write(folder: Path, results: dict) -> None:
    # Undefined figures are null; NaN would be no JSON.
    (folder / "results.json").write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    (folder / "results.md").write_text(markdown(results))


def markdown(results: dict) -> str:
    parts = [heading(results), overview(results, "held_out_tasks", "Tasks that training never saw")]
    if set(results["annotators"]["depth"]["tasks"]) - set(results["held_out_tasks"]):
        parts.append(overview(results, "all", "All episodes"))
    parts += [line_of_sight(results), per_task(results), goals(results), controls(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(results: dict) -> str:
    everything = results["annotators"]["depth"]["all"]
    tasks = ", ".join(results["annotators"]["depth"]["tasks"])
    return (
        f"# Distance from fingertip to target over an approach\n\n```sh\n{results['command']}\n```\n\n"
        f"{everything['episodes']} episodes, {everything['frames']} frames, tasks: {tasks}. "
        f"Model digest `{results['model_digest']}`. Errors are against the `cloud` distance that the model is asked "
        "for. A step without a distance fails the share within ±25 % and is left out of the errors; an episode "
        "whose answers are all alike has correlations of 0. `constant` is the median of all truth at every frame; "
        "`cloud` truth answers perfectly, and shows how well a `cloud` distance can follow the `surface` at all."
    )


def overview(results: dict, group: str, title: str) -> str:
    annotators = {name: found[group] for name, found in results["annotators"].items() if group in found}
    if not annotators:
        return ""
    first = next(iter(annotators.values()))
    lines = [f"## {title}: {first['episodes']} episodes, {first['frames']} frames", ""]
    lines += table_head(["", *(HEADINGS[name] for name in annotators)])
    for name, part, key, form in ROWS:
        cells = [shown(figures[part][key], form) for figures in annotators.values()]
        lines.append(table_row([name, *cells]))
    return "\n".join(lines)


def line_of_sight(results: dict) -> str:
    """Where the camera should stand: within 25 % and the median ratio by how much of a distance it sees end-on."""
    annotators = {name: found["along"] for name, found in results["annotators"].items() if name != "perfect"}
    told = (
        "Within ±25 % / median of answer by truth, of the frames of all episodes, apart by how much of the way from "
        "fingertip to target lies along the optical axis: 0 is across the picture, 1 straight away from the camera."
    )
    lines = ["## Across the picture and away from the camera", "", told, ""]
    lines += table_head(["along the axis", "frames", *(HEADINGS[name] for name in annotators)])
    for bands in zip(*annotators.values(), strict=True):
        if bands[0]["frames"]:
            cells = [
                f"{shown(band['within_25_percent'], 'percent')} / {shown(band['median_ratio'], 'plain')}"
                for band in bands
            ]
            lines.append(table_row([f"{bands[0]['from']} to {bands[0]['to']}", str(bands[0]["frames"]), *cells]))
    return "\n".join(lines)


def per_task(results: dict) -> str:
    """Within 25 %, absolute relative error and Spearman with the surface, annotator by annotator."""
    annotators = results["annotators"]
    told = "Within ±25 % / absolute relative error / Spearman with `surface`, episode median."
    lines = ["## Each task", "", told, ""]
    lines += table_head(["task", "episodes", *(HEADINGS[name] for name in annotators)])
    for task, first in annotators["depth"]["tasks"].items():
        name = task if task in results["held_out_tasks"] else f"{task} (training has it)"
        cells = []
        for found in annotators.values():
            of_frames, medians = found["tasks"][task][FRAMES], found["tasks"][task][MEDIAN]
            figures = (
                shown(of_frames["within_25_percent"], "percent"),
                shown(of_frames["abs_rel"], "plain"),
                shown(medians["spearman_surface"], "plain"),
            )
            cells.append(" / ".join(figures))
        lines.append(table_row([name, str(first["episodes"]), *cells]))
    return "\n".join(lines)


def goals(results: dict) -> str:
    """The figures asked of the model on tasks never seen, met or not."""
    if not results["goals"]:
        return ""
    lines = ["## What is asked of the model, on tasks that training never saw", ""]
    lines += table_head(["goal", "measured", "met"])
    lines += [table_row([goal["goal"], goal["measured"], "yes" if goal["met"] else "no"]) for goal in results["goals"]]
    return "\n".join(lines)


def judge_goals(annotators: dict) -> list[dict]:
    found = {name: figures.get("held_out_tasks") for name, figures in annotators.items()}
    if not found["depth"]:
        return []
    goals = []
    for name in ("depth", "colour"):
        figures, medians = found[name][FRAMES], found[name][MEDIAN]
        within, relative, order = figures["within_25_percent"], figures["abs_rel"], medians["spearman_surface"]
        label = HEADINGS[name]
        goals += [
            goal(f"{label}: within ±25 % at least 60 %", within, "percent", within >= 0.60),
            goal(f"{label}: absolute relative error at most 0.25", relative, "plain", not worse(relative, 0.25)),
            goal(f"{label}: Spearman with `surface`, episode median, at least 0.92", order, "plain", order >= 0.92),
        ]
    depth, colour = found["depth"][FRAMES], found["colour"][FRAMES]
    better = depth["within_25_percent"] > colour["within_25_percent"] and worse(colour["abs_rel"], depth["abs_rel"])
    pair = " against ".join(
        f"{shown(one['within_25_percent'], 'percent')}, {shown(one['abs_rel'], 'plain')}" for one in (depth, colour)
    )
    goals.append({"goal": "colour + depth better than colour only in both", "measured": pair, "met": better})
    return goals


def goal(name: str, value: float | None, form: str, met: bool) -> dict:
    return {"goal": name, "measured": shown(value, form), "met": bool(met)}


def judge_controls(real: dict, found: dict) -> list[str]:
    """The controls that are not worse than the real thing in order and in error."""
    return [
        name
        for name, figures in found.items()
        if not (
            figures[MEDIAN]["spearman_cloud"] < real[MEDIAN]["spearman_cloud"]
            and worse(figures[FRAMES]["abs_rel"], real[FRAMES]["abs_rel"])
        )
    ]


def worse(error: float | None, than: float | None) -> bool:
    """Whether an error is larger; no error at all, for want of an answer, is the largest."""
    return (math.inf if error is None else error) > (math.inf if than is None else than)


def controls(results: dict) -> str:
    if not results["controls"]:
        return ""
    told = (
        "The same model on copies of the episodes in which it cannot see what it is asked about. Spearman is with "
        "`cloud`, episode median; in brackets the change. Worse means worse in Spearman and in absolute relative error."
    )
    lines = ["## Negative controls", "", told]
    for variant, found in results["controls"].items():
        real = found["real"]
        lines += ["", f"{HEADINGS[variant]}, {real['episodes']} episodes, {real['frames']} frames:", ""]
        lines += table_head(["", "within ±25 %", "absolute relative error", "Spearman", "invalid steps", "worse"])
        lines.append(table_row(["as recorded", *control_cells(real, None), ""]))
        for name, figures in found["changed"].items():
            verdict = "no" if name in found["not_worse"] else "yes"
            lines.append(table_row([name, *control_cells(figures, real), verdict]))
    return "\n".join(lines)


def control_cells(figures: dict, real: dict | None) -> list[str]:
    cells = []
    for part, key, form in CONTROL_FIGURES:
        text = shown(figures[part][key], form)
        if real and None not in (figures[part][key], real[part][key]):
            text += f" ({shown(figures[part][key] - real[part][key], form, sign='+')})"
        cells.append(text)
    return [*cells, shown(figures[FRAMES]["invalid_rate"], "percent")]


def shown(value: float | None, form: str, sign: str = "") -> str:
    if value is None:
        return "n/a"
    value += 0.0
    if form == "percent":
        return f"{value * 100:{sign}.1f} %"
    return f"{value * 1000:{sign}.1f} mm" if form == "millimetres" else f"{value:{sign}.3f}"


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table_head(cells: list[str]) -> list[str]:
    return [table_row(cells), table_row(["---"] * len(cells))]
