"""Environments on the reward that is measured in their camera's picture, without ROS: a world of numpy, which no
renderer sees."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402 - after what may be missing
from two_blocks import (  # noqa: E402
    APPROACH,
    CAMERA,
    FIRST,
    GAMMA,
    KAPPA,
    SHAPED,
    STEP_M,
    TwoBlocks,
    by_hand,
    episode,
    observe,
    refused,
    wrapped,
)

import spatial_reward as sr  # noqa: E402 - after what may be missing
from spatial_reward.gymnasium import Geoms, Observed, RawDistanceWarning, SpatialReward  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("dense", "tanh", "exp", "progress", "shaped")


def test_the_reward_is_that_of_the_picture_that_the_action_led_to():
    # given an environment with a reward of its own
    env = wrapped(reward="sparse", config={"reward": {"threshold_m": 0.05}})
    # when it is reset and stepped towards the target
    observation, info = env.reset(seed=1)
    assert observation == [30] and info["theirs"] == "reset" and "env_reward" not in info
    assert info["spatial_reward"]["distance_m"] == pytest.approx(30 * STEP_M, abs=1e-6)
    observation, reward, terminated, truncated, info = env.step(APPROACH)
    # then observation, ends and the rest of info are its own, and the reward is measured
    assert observation == [25] and (terminated, truncated) == (False, False) and info["theirs"] == "step"
    assert reward == -1.0 and info["env_reward"] == 7.0
    measured = info["spatial_reward"]
    assert measured["distance_m"] == pytest.approx(25 * STEP_M, abs=1e-6)
    assert (measured["valid"], measured["reason"], measured["held"], measured["dropped"]) == (True, "", False, False)
    assert (measured["frame"], measured["stamp_s"], measured["age_s"]) == (1, pytest.approx(0.1), 0.0)
    assert measured["distance_kind"] == "surface" and measured["distance_std_m"] > 0
    assert measured["target"] == (100, 40, 130, 80)


def test_its_numbers_are_those_of_the_annotator():
    # given an annotator that is shown the same pictures
    world, config = TwoBlocks(), {"filter": {"kind": "exponential"}, **SHAPED}
    env = wrapped(world, config=config)
    annotator = sr.Annotator(reward="shaped", distance="surface", camera=CAMERA, config=config, rate_hz=10)

    def theirs():
        seen = observe(world)
        return annotator.step(seen.color, seen.depth, fingertip=seen.fingertip, target=seen.target)

    # when both measure two episodes
    for _ in range(2):
        _, info = env.reset()
        annotator.reset()
        expected = theirs().to_dict()
        assert {name: info["spatial_reward"][name] for name in ("reward", "distance_m", "potential")} == {
            name: expected[name] for name in ("reward", "distance_m", "potential")
        }
        for _ in range(4):
            _, reward, _, _, info = env.step(APPROACH)
            expected = theirs()
            # then they agree to the bit
            assert reward == expected.reward == info["spatial_reward"]["reward"]
            assert info["spatial_reward"]["frame"] == expected.frame


def test_the_first_shaping_is_from_the_picture_of_the_reset():
    # given the default reward
    env = wrapped(config=SHAPED)
    # when the first action covers five pixels
    reset, [(reward, _)] = episode(env, [1])
    # then its reward has the shaping from there
    assert reset["distance_m"] == pytest.approx(0.18, abs=1e-6)
    assert reward == pytest.approx(by_hand(0.18, 0.15), abs=1e-6)


def test_progress_counts_from_the_picture_of_the_reset():
    with pytest.warns(RawDistanceWarning):
        env = wrapped(reward="progress")
    _, [(reward, _)] = episode(env, [1])
    assert reward == pytest.approx(1 / 6, abs=1e-5)


def test_no_shaping_goes_across_a_reset():
    # given an episode that ended near the target
    env = wrapped(config=SHAPED)
    episode(env, [1, 1, 1, 1])
    # when another one begins far from it
    _, [(reward, info)] = episode(env, [0])
    # then its first step knows nothing of that
    assert reward == pytest.approx(by_hand(0.18, 0.18), abs=1e-6)
    assert info["frame"] == 1


def test_a_true_terminal_has_potential_0_and_a_truncation_keeps_it():
    # given an environment that ends with 6 cm to go, and one that is cut off there
    for world, potential, expected in (
        (TwoBlocks(gap=15, ends_at=10), 0.0, by_hand(0.09, 0.0)),
        (TwoBlocks(gap=15, length=1), -0.06, by_hand(0.09, 0.06)),
    ):
        env = wrapped(world, config=SHAPED)
        env.reset()
        # when it ends
        _, reward, terminated, truncated, info = env.step(APPROACH)
        # then nothing follows the one, and something the other
        assert terminated is (potential == 0.0) and truncated is (potential != 0.0)
        assert reward == pytest.approx(expected, abs=1e-6) == info["spatial_reward"]["shaped_reward"]
        assert info["spatial_reward"]["potential"] == pytest.approx(potential, abs=1e-6)


def test_the_shaping_of_an_episode_telescopes_whatever_was_hidden():
    # given an episode in which the target is hidden for a while, and hidden in the end
    for hidden in ((), (2, 3), (5,)):
        env = wrapped(TwoBlocks(gap=25, hidden=hidden), config=SHAPED)
        reset, rows = episode(env, [1, 1, 0, -1, 1])
        # when all that is not the base reward is summed, discounted
        last_m = [reset["distance_m"], *(info["distance_m"] for _, info in rows if info["valid"])][-1]
        shaping = sum(GAMMA**t * (reward + 1.0) for t, (reward, _) in enumerate(rows))
        # then it is that of the first and the last distance alone
        assert shaping == pytest.approx(KAPPA * (GAMMA**5 * -last_m + reset["distance_m"]), abs=1e-6), hidden


def test_hold_is_the_reward_as_if_the_distance_had_stayed():
    # given a target that is hidden in the second and the third step, after an approach
    env = wrapped(TwoBlocks(hidden=(2, 3)), config=SHAPED)
    _, rows = episode(env, [1, 0, 0, 0])
    # then the approach is not rewarded again and again
    approach, held, held_again, seen = (reward for reward, _ in rows)
    assert approach == pytest.approx(by_hand(0.18, 0.15), abs=1e-6)
    assert held == held_again == pytest.approx(by_hand(0.15, 0.15), abs=1e-6)
    assert seen == pytest.approx(by_hand(0.15, 0.15), abs=1e-6)
    # and info tells
    info = rows[2][1]
    assert (info["valid"], info["reason"], info["held"]) == (False, "no_target_box", True)
    assert info["age_s"] == pytest.approx(0.2) and np.isnan(info["distance_m"]) and np.isnan(info["reward"])


def test_hold_of_other_kinds_is_the_last_reward():
    with pytest.warns(RawDistanceWarning):
        env = wrapped(TwoBlocks(hidden=(2,)), reward="dense")
    _, rows = episode(env, [1, 1, 1])
    assert [reward for reward, _ in rows] == pytest.approx([-0.15, -0.15, -0.09], abs=1e-6)


def test_an_episode_that_ends_hidden_has_the_terminal_potential_all_the_same():
    env = wrapped(TwoBlocks(gap=15, ends_at=10, hidden=(1,)), config=SHAPED)
    _, [(reward, info)] = episode(env, [1])
    assert reward == pytest.approx(by_hand(0.09, 0.0), abs=1e-6) and info["held"]


def test_zero_has_a_shaping_of_0_and_the_last_base_reward():
    env = wrapped(TwoBlocks(hidden=(2,)), config=SHAPED, on_invalid="zero")
    _, rows = episode(env, [1, 1, 1])
    assert [reward for reward, _ in rows] == pytest.approx([by_hand(0.18, 0.15), -1.0, by_hand(0.15, 0.09)], abs=1e-6)
    assert rows[1][1]["held"]


def test_drop_marks_what_a_learner_is_to_leave_out():
    # given a target that is hidden from the beginning
    env = wrapped(TwoBlocks(hidden=(0, 1, 3)), config=SHAPED, on_invalid="drop")
    reset, rows = episode(env, [0, 0, 0, 0])
    # then what was not measured is marked, held where there is something to hold
    assert [info["dropped"] for info in (reset, *(info for _, info in rows))] == [True, True, False, True, False]
    assert [info["held"] for _, info in rows] == [False, False, True, False]
    assert rows[0][0] == 0.0 and np.isnan(rows[0][1]["age_s"])
    # and the first that was has no shaping, for no picture before it was measured
    assert rows[1][0] == -1.0


def test_nan_comes_only_to_those_who_ask_for_it():
    _, rows = episode(wrapped(TwoBlocks(hidden=(1,)), config=SHAPED, on_invalid="nan"), [0, 0])
    assert np.isnan(rows[0][0]) and not rows[0][1]["held"]
    for on_invalid in ("hold", "zero", "drop"):
        _, rows = episode(wrapped(TwoBlocks(hidden=(1, 4)), config=SHAPED, on_invalid=on_invalid), [0, 1, 1, 1])
        assert np.isfinite([reward for reward, _ in rows]).all(), on_invalid


def test_raise_raises():
    env = wrapped(TwoBlocks(hidden=(1,)), on_invalid="raise")
    env.reset()
    with pytest.raises(sr.Error, match=r"step 1 of the episode could not be measured \(no_target_box\)") as raised:
        env.step(APPROACH)
    assert raised.value.kind == "invalid_step"


def test_an_episode_with_nothing_to_hold_names_the_ways_out():
    # given a target that is hidden from the beginning
    env = wrapped(TwoBlocks(hidden=(0, 1)))
    # then reset tells, and a step raises
    _, info = env.reset()
    assert not info["spatial_reward"]["valid"] and info["spatial_reward"]["reason"] == "no_target_box"
    with pytest.raises(sr.Error, match=r"nothing to hold: .*reset_tries=20 of SpatialReward begins episodes anew"):
        env.step(APPROACH)


def test_reset_tries_begins_episodes_until_one_can_be_measured():
    # given an environment that hides its target in every first picture but each third episode's
    class Shy(TwoBlocks):
        resets = 0
        seeds = ()

        def reset(self, *, seed=None, options=None):
            self.resets += 1
            self.seeds = (*self.seeds, seed)
            self.hidden = () if self.resets % 3 == 0 else (0,)
            return super().reset(seed=seed, options=options)

    world = Shy()
    # when it is reset with as many tries, and with too few
    _, info = wrapped(world, reset_tries=5).reset(seed=4)
    assert info["spatial_reward"]["valid"] and world.seeds == (4, None, None)
    _, info = wrapped(world, reset_tries=2).reset()
    assert not info["spatial_reward"]["valid"] and world.resets == 5


def test_times_are_the_environments():
    # given a success that is held for 0.3 s, at 10 pictures a second
    env = wrapped(TwoBlocks(gap=5, ends_at=-1), config={"success": {"hold_s": 0.3}})
    # when it touches the target and stays
    _, rows = episode(env, [1, 0, 0, 0, 0])
    # then it is one after three steps, and the episode goes on, as the environment's does
    assert [info["success"] for _, info in rows] == [False, False, False, True, True]


def test_stamps_that_are_observed_count():
    def observe_later(env):
        seen = observe(env)
        return Observed(seen.color, seen.depth, seen.fingertip, seen.target, stamp_s=5 + 2.0 * env.unwrapped.frame)

    env = SpatialReward(TwoBlocks(hidden=(2,)), observe=observe_later, camera=CAMERA)
    reset, rows = episode(env, [0, 0])
    assert [reset["stamp_s"], *(info["stamp_s"] for _, info in rows)] == [5, 7, 9]
    assert rows[1][1]["age_s"] == 2.0


@pytest.mark.filterwarnings("ignore:.*wrapped environment.*", "ignore:.*not within the minimum and maximum.*")
@pytest.mark.filterwarnings("ignore:.*action space.*", "ignore:.*render.*")
def test_gymnasiums_own_check_passes():
    check_env(wrapped(config=SHAPED), skip_render_check=True)


@pytest.mark.parametrize("kind", ["dense", "tanh", "exp", "progress"])
def test_raw_distances_that_would_be_summed_are_warned_of(kind):
    with pytest.warns(RawDistanceWarning, match=f"reward='{kind}' .* waiting beside the target") as warned:
        SpatialReward(TwoBlocks(), observe=observe, camera=CAMERA, reward=kind)
    # and the warning points to whoever wrapped it
    assert warned[0].filename == __file__
    with pytest.warns(RawDistanceWarning, match=f"reward.base: {kind}"):
        wrapped(config={"reward": {"base": kind}})


def test_shaped_is_the_default_and_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrapped()
        wrapped(reward="sparse")
        wrapped(config={"reward": {"base": "sparse"}})


def test_the_page_tells_what_the_kinds_of_reward_pay_for():
    # given the table of the page
    page = (ROOT / "docs" / "gymnasium.md").read_text().splitlines()
    table = [line for line in page if line.startswith(("| reward |", *(f"| `{kind}` |" for kind in KINDS)))]
    # when the program that it is of runs again
    program = [sys.executable, ROOT / "examples" / "waiting_or_reaching.py"]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout.splitlines()
    # then it is the same
    assert table == [line for line in printed if not line.startswith("| ---")]
    # and waiting is best for those that are warned of as such, and for shaped least of all
    best = {line.split("`")[1]: line.split("|")[-2].strip() for line in table[1:]}
    assert [best[kind] for kind in ("tanh", "exp", "progress")] == ["waits at 5 cm"] * 3
    dense, shaped = ([float(cell) for cell in row.split("|")[2:5]] for row in (table[1], table[5]))
    assert dense[1] < dense[2] and shaped[0] > shaped[1] > shaped[2]


# Bad input


@pytest.mark.parametrize(
    ("match", "kind", "options"),
    [
        ("on_invalid is 'skip', and must be one of 'hold', 'zero', 'drop', 'nan', 'raise'", "on_invalid",
         {"on_invalid": "skip"}),
        ("on_invalid is 'zero' and reward is 'sparse'", "on_invalid", {"on_invalid": "zero", "reward": "sparse"}),
        ("reward is 'fast', but must be one of", "config", {"reward": "fast"}),
        ("unknown field `gama`", "config_syntax", {"config": {"reward": {"gama": 0.9}}}),
        ("gamma", "config_syntax", {"config": {"reward": {"gamma": "much"}}}),
        ("the configuration says reward.kind: dense, and the argument reward is 'shaped': reward='dense'", "config",
         {"config": {"reward": {"kind": "dense"}}}),
        ("the configuration says estimator.distance: cloud", "config",
         {"config": {"estimator": {"distance": "cloud"}}}),
        ("episodes end here where the environment ends them", "config",
         {"config": {"episodes": {"end_on_success": True}}}),
        ("cannot read nowhere.yaml", "io", {"config": "nowhere.yaml"}),
        ("reset_tries is 0", "reset_tries", {"reset_tries": 0}),
        ("rate_hz is 0", "config", {"rate_hz": 0.0}),
        ("both observe and regions are given", "region", {"regions": {"fingertip": Geoms("a"), "target": Geoms("b")}}),
        ("camera is 'front', and with observe it is that of its pictures", "camera", {"camera": "front"}),
        ("depth is measured in metres only by a camera that is known", "camera", {"camera": None}),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::spatial_reward.gymnasium.RawDistanceWarning")
def test_bad_arguments_are_refused(match, kind, options):
    refused(match, lambda: SpatialReward(TwoBlocks(), **{"observe": observe, "camera": CAMERA, **options}), kind)


def test_a_configuration_file_is_read(tmp_path):
    # given settings in a file
    file = tmp_path / "mine.yaml"
    file.write_text("reward: {gamma: 0.9, kappa: 2.0, threshold_m: 0.02}\n")
    # then they are those of the same dict, the terminal's too
    env = wrapped(TwoBlocks(gap=15, ends_at=10), config=file)
    assert episode(env, [1])[1][0][0] == pytest.approx(by_hand(0.09, 0.0), abs=1e-6)
    # and what is no YAML is told
    file.write_text("reward: [")
    refused("is no YAML", lambda: wrapped(config=file), "config_syntax")


@pytest.mark.parametrize(
    ("match", "kind", "gives"),
    [
        ("observe gave a tuple, and an Observed is needed", "observe", lambda seen: (seen.color, seen.depth)),
        ("depth is of shape .* dtype float64", "array",
         lambda seen: Observed(seen.color, seen.depth.astype(float), seen.fingertip, seen.target)),
        ("color is of shape .* dtype float32", "array",
         lambda seen: Observed(seen.color.astype(np.float32), seen.depth, seen.fingertip, seen.target)),
        ("color does not lie in memory in one piece", "array",
         lambda seen: Observed(seen.color[::-1], seen.depth, seen.fingertip, seen.target)),
        ("depth: ", "array", lambda seen: Observed(seen.color, seen.depth[:60].copy(), seen.fingertip, seen.target)),
        ("target is 'ball', and a box", "region",
         lambda seen: Observed(seen.color, seen.depth, seen.fingertip, "ball")),
    ],
)  # fmt: skip
def test_bad_pictures_are_refused(match, kind, gives):
    env = SpatialReward(TwoBlocks(), observe=lambda env: gives(observe(env)), camera=CAMERA)
    refused(match, env.reset, kind)


def test_without_observe_a_camera_of_the_model_is_needed():
    refused("camera is None, and without observe", lambda: SpatialReward(TwoBlocks()), "camera")
    refused(
        "without observe a camera of the model is rendered", lambda: SpatialReward(TwoBlocks(), camera=CAMERA), "camera"
    )


def test_a_step_before_the_reset_is_refused():
    refused("step was called before reset", lambda: wrapped().step(APPROACH), "no_episode")


def test_what_resets_itself_is_to_be_outside():
    # given an environment that resets itself, in the wrapper
    env = wrapped(gymnasium.wrappers.Autoreset(TwoBlocks(length=1)))
    env.reset()
    env.step(APPROACH)
    # then its next episode is not taken for the same one
    refused("step was called after the episode's end", lambda: env.step(APPROACH), "no_episode")
    # and the other way round it is right
    env = gymnasium.wrappers.Autoreset(wrapped(TwoBlocks(length=1), config=SHAPED))
    env.reset()
    rewards = [env.step(APPROACH)[1] for _ in range(3)]
    assert rewards == pytest.approx([FIRST, 0.0, FIRST], abs=1e-6)


def test_without_gymnasium_the_import_says_what_to_install():
    code = "import sys; sys.modules['gymnasium'] = None; import spatial_reward.gymnasium"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "pip install spatial-reward[gymnasium]" in done.stderr, done.stderr
