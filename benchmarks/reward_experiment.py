"""The experiment behind SpatialRGPT's reward figure, on simulator episodes whose distances are known: a fingertip
comes to an object, and a model says at each frame how far it is, once from colour and once from colour and depth.

usage: reward_experiment.py BAGS --program BIN [--model MODEL] [--dtype TYPE] [--episodes N] [--controls N]
                            [--output DIR] [--resume]

Each episode is labelled by the program itself. The answers are judged by the bag's truth, beside the depth geometry
and a constant answer. Then the model is shown changed copies (controls.py) on which it must do worse.
Writes results.json, results.md and distance_over_time.png into the output folder.

Exit codes: 0 fine; 1 an error, or a control that is not worse than the real thing in Spearman and in absolute relative
error: the results are written all the same. The goals in results.md do not change the exit code.
"""

import argparse
import importlib.util
import os
import shlex
import sys
from pathlib import Path

# The arrays are small: several BLAS threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from reward_experiment import controls, episodes, figures, labelling, report

VARIANTS = ("depth", "colour")


def main() -> None:
    arguments = parse()
    bags = episodes.find(arguments.bags, arguments.episodes)
    labeller = labelling.Labeller(arguments.program, arguments.model, arguments.dtype, arguments.output / "work")
    labelling.prepare(labeller, arguments.resume)
    read = [episodes.read(bag) for bag in bags]
    real = label_real(labeller, read)
    results = {
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
        "held_out_tasks": sorted({episode.task for episode in read if episode.held_out}),
        "annotators": {name: figures.full(judged) for name, judged in real.items()},
    }
    results["goals"] = report.judge_goals(results["annotators"])
    results["controls"] = run_controls(labeller, real, arguments.controls)
    results["model_digest"] = labeller.digest()
    results["label_seconds_an_episode"] = labeller.seconds
    report.write(arguments.output, results)
    if arguments.plot:
        draw(read, real, arguments.output / "distance_over_time.png")
    print((arguments.output / "results.md").read_text())
    print(f"written to {arguments.output}")
    failed = [f"{name} ({variant})" for variant, found in results["controls"].items() for name in found["not_worse"]]
    if failed:
        sys.exit(f"not worse than the real thing, so the model did not need what they took away: {', '.join(failed)}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bags", type=Path, help="folder of bags from sim/record.py --mode approach")
    parser.add_argument("--program", type=Path, required=True, help="spatial-reward, built with the feature torch")
    parser.add_argument("--model", help="checkpoint (the program's default if not given)")
    parser.add_argument("--dtype", help="type of the model's numbers, as for `label`")
    parser.add_argument("--episodes", type=positive, help="use only so many, spread over the tasks (all)")
    parser.add_argument("--controls", type=int, default=12, help="episodes for the controls; 0 leaves them out (12)")
    parser.add_argument("--output", type=Path, default=Path("reward_experiment_output"))
    parser.add_argument("--resume", action="store_true", help="keep what an earlier run labelled into the same folder")
    parser.add_argument("--no-plot", dest="plot", action="store_false", help="draw nothing; needs no matplotlib")
    arguments = parser.parse_args()
    if arguments.controls == 1 or arguments.controls < 0:
        parser.error("--controls must be 0 or at least 2: one episode has none to swap boxes with")
    if not arguments.program.is_file():
        parser.error(f"{arguments.program} is no program")
    if arguments.plot and not importlib.util.find_spec("matplotlib"):
        parser.error("the figure needs matplotlib, which scripts/benchmark installs; --no-plot leaves it out")
    return arguments


def positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def label_real(labeller: labelling.Labeller, read: list[episodes.Episode]) -> dict[str, list[figures.Judged]]:
    """The episodes as recorded, by each annotator, and the worst and best there can be."""
    real = {}
    for name in (*VARIANTS, "geometry"):
        labeller.label([episode.bag for episode in read], name)
        real[name] = [figures.Judged(episode, labeller.distances(episode, name)) for episode in read]
    return real | {"constant": figures.constant(read), "perfect": figures.perfect(read)}


def run_controls(labeller: labelling.Labeller, real: dict[str, list[figures.Judged]], count: int) -> dict:
    """Both variants on the changed copies of some episodes, beside the same episodes as recorded."""
    if not count:
        return {}
    known = {one.episode.bag: one.episode for one in real["depth"]}
    bags = episodes.spread(list(known), count)
    if len(bags) < 2:
        sys.exit("the controls need two episodes at least: use more --episodes, or --controls 0")
    changed = {variant: {} for variant in VARIANTS}
    for name in controls.CONTROLS:
        group = name.replace(" ", "_")
        copies = controls.make(name, bags, labeller.work / "controls" / group)
        for variant in VARIANTS:
            labeller.label(copies, variant, group)
            judged = [figures.Judged(known[bag], labeller.distances(known[bag], variant, group)) for bag in bags]
            changed[variant][name] = figures.summary(judged)
    found = {}
    for variant in VARIANTS:
        same = figures.summary([one for one in real[variant] if one.episode.bag in bags])
        not_worse = report.judge_controls(same, changed[variant])
        found[variant] = {"real": same, "changed": changed[variant], "not_worse": not_worse}
    return found


def draw(read: list[episodes.Episode], real: dict[str, list[figures.Judged]], path: Path) -> None:
    from reward_experiment import plot  # matplotlib is needed for nothing else

    distances = {name: {one.episode.name: one.predicted for one in real[name]} for name in VARIANTS}
    plot.draw(plot.choose(read), distances, path)


if __name__ == "__main__":
    main()
