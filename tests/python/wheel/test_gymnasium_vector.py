"""Vector environments on the reward that is measured in their cameras' pictures: nothing is shaped across a reset."""

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")

from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv  # noqa: E402 - after what may be missing
from two_blocks import CAMERA, FIRST, SECOND, SHAPED, TwoBlocks, by_hand, observe, refused, wrapped  # noqa: E402

from spatial_reward.gymnasium import SpatialRewardVector  # noqa: E402 - after what may be missing


def vector_of(kind, mode, **options):
    # The first of them ends after two steps, the second after three.
    makers = [lambda length=length: wrapped(TwoBlocks(length=length), config=SHAPED, **options) for length in (2, 3)]
    return kind(makers, autoreset_mode=mode)


def steps(envs, count, action=1.0):
    return [envs.step(np.full((2, 1), action, np.float32)) for _ in range(count)]


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_wrapped_one_by_one_nothing_is_shaped_across_next_step_resets(kind):
    # given two environments, wrapped inside their vector
    envs = vector_of(kind, AutoresetMode.NEXT_STEP)
    envs.reset(seed=1)
    # when the first one's episode ends with its second step
    rewards = [row[1] for row in steps(envs, 4)]
    envs.close()
    # then its third is a reset and has no reward, and its fourth the shaping from there
    assert [row[0] for row in rewards] == pytest.approx([FIRST, SECOND, 0.0, FIRST], abs=1e-6)


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_wrapped_one_by_one_nothing_is_shaped_across_same_step_resets(kind):
    envs = vector_of(kind, AutoresetMode.SAME_STEP)
    envs.reset(seed=1)
    rows = steps(envs, 3)
    envs.close()
    # then the end is rewarded by its own picture, and the next step from the next episode's first
    assert [row[1][0] for row in rows] == pytest.approx([FIRST, SECOND, FIRST], abs=1e-6)
    infos = rows[1][4]
    assert infos["spatial_reward"]["distance_m"][0] == pytest.approx(0.18, abs=1e-6)
    assert infos["final_info"]["spatial_reward"]["distance_m"][0] == pytest.approx(0.12, abs=1e-6)
    assert infos["spatial_reward"]["reason"][0] == ""


def by_nature(mode, worlds=None, **options):
    worlds = worlds or [TwoBlocks(length=2), TwoBlocks(length=3)]
    envs = SyncVectorEnv([lambda world=world: world for world in worlds], autoreset_mode=mode)
    look = options.pop("look", lambda envs: [observe(env) for env in envs.envs])
    return SpatialRewardVector(envs, look, camera=CAMERA, config=SHAPED, **options)


def test_a_vector_by_nature_is_rewarded_as_those_that_are_wrapped_one_by_one():
    # given both, in the mode next step
    ours, theirs = by_nature(AutoresetMode.NEXT_STEP), vector_of(SyncVectorEnv, AutoresetMode.NEXT_STEP)
    _, our_infos = ours.reset(seed=1)
    _, their_infos = theirs.reset(seed=1)
    for _ in range(9):
        # when they go through resets
        assert_equal_infos(our_infos["spatial_reward"], their_infos["spatial_reward"])
        action = np.ones((2, 1), np.float32)
        _, our_rewards, *our_ends, our_infos = ours.step(action)
        _, their_rewards, *their_ends, their_infos = theirs.step(action)
        # then all is equal
        np.testing.assert_array_equal(our_rewards, their_rewards)
        np.testing.assert_array_equal(our_ends, their_ends)
    assert our_infos["env_reward"].shape == (2,)


def assert_equal_infos(ours, theirs):
    assert set(ours) == set(theirs)
    for name in ours:
        # Gymnasium fills object arrays element by element, too.
        assert ours[name].dtype == theirs[name].dtype, name
        for one, other in zip(ours[name], theirs[name], strict=True):
            np.testing.assert_equal(one, other)


def test_a_vector_by_nature_in_the_mode_same_step_holds_what_nobody_saw():
    # given no picture of the ends
    envs = by_nature(AutoresetMode.SAME_STEP)
    envs.reset(seed=1)
    rows = steps(envs, 3)
    # then the end's reward is as if the distance had stayed, and nothing is shaped across the reset
    assert [row[1][0] for row in rows] == pytest.approx([FIRST, by_hand(0.15, 0.15), FIRST], abs=1e-6)
    infos = rows[1][4]
    final = infos["final_info"]["spatial_reward"]
    assert final["reason"][0] == "no_image" and final["held"][0] and final["_held"].tolist() == [True, False]
    assert infos["_final_info"].tolist() == [True, False]
    assert infos["spatial_reward"]["valid"].all() and infos["spatial_reward"]["frame"].tolist() == [0, 2]


def test_a_vector_by_nature_in_the_mode_same_step_is_shown_the_ends():
    # given an environment whose last observation says what its last picture was
    def observe_final(envs, infos, at):
        world = TwoBlocks()
        world.gap = int(infos["final_obs"][at][0])
        return observe(world)

    envs = by_nature(AutoresetMode.SAME_STEP, observe_final=observe_final)
    envs.reset(seed=1)
    rewards = [row[1][0] for row in steps(envs, 3)]
    # then it is rewarded as the one that is wrapped inside
    assert rewards == pytest.approx([FIRST, SECOND, FIRST], abs=1e-6)


def test_a_vector_that_is_reset_by_hand_begins_those_of_the_mask():
    # given the mode disabled, and an end of the first
    envs = by_nature(AutoresetMode.DISABLED)
    envs.reset(seed=1)
    steps(envs, 2)
    # when it alone is reset
    _, infos = envs.reset(options={"reset_mask": np.array([True, False])})
    assert infos["_spatial_reward"].tolist() == [True, False]
    [row] = steps(envs, 1)
    # then the other one's episode went on
    assert row[1] == pytest.approx([FIRST, by_hand(0.12, 0.09)], abs=1e-6)
    assert row[4]["spatial_reward"]["frame"].tolist() == [1, 3]


def test_a_vector_without_a_picture_of_one_goes_on_with_the_others():
    def look(envs):
        return [None if env.frame == 1 else observe(env) for env in envs.envs]

    envs = by_nature(AutoresetMode.NEXT_STEP, look=look)
    envs.reset(seed=1)
    [row] = steps(envs, 1)
    assert row[4]["spatial_reward"]["reason"].tolist() == ["no_image", "no_image"]
    assert row[1] == pytest.approx([by_hand(0.18, 0.18)] * 2, abs=1e-6)


def test_a_vector_that_is_to_be_reset_by_hand_is_not_stepped_beyond_an_end():
    envs = by_nature(AutoresetMode.DISABLED)
    envs.reset(seed=1)
    steps(envs, 2)
    refused("after the end of the episodes of these environments: 0", lambda: steps(envs, 1), "no_episode")


def test_a_vector_that_does_not_tell_its_mode_is_refused():
    envs = SyncVectorEnv([TwoBlocks])
    envs.metadata = {}
    refused(
        r"does not tell when it resets itself: metadata\['autoreset_mode'\] is None",
        lambda: SpatialRewardVector(envs, lambda envs: [], camera=CAMERA),
        "environment",
    )


def test_a_vector_with_another_number_of_pictures_is_refused():
    envs = by_nature(AutoresetMode.NEXT_STEP, look=lambda envs: [observe(envs.envs[0])])
    refused("observe gave 1 pictures of 2 environments", envs.reset, "observe")


def test_observe_final_is_for_the_mode_same_step():
    call = lambda: by_nature(AutoresetMode.NEXT_STEP, observe_final=lambda envs, infos, at: None)  # noqa: E731
    refused("observe_final is for the mode same step, and the environment's is NextStep", call, "observe_final")
