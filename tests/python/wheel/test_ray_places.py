"""Where a fleet's recordings are and where their outputs go: folders, stores, file systems of other machines."""

import shutil

import pytest
from ray_recordings import (  # noqa: F401 - fixtures are found by their names
    check_all_but_the_broken_one,
    plain,
    ray_of_two,
    recordings,
    rows,
    short_bag,
)

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

from fsspec.implementations.dirfs import DirFileSystem  # noqa: E402 - after the skip
from fsspec.implementations.local import LocalFileSystem  # noqa: E402

import spatial_reward as sr  # noqa: E402
import spatial_reward.ray as fleet  # noqa: E402
from spatial_reward.ray import _discover, _places  # noqa: E402


def test_bags_come_from_and_go_to_another_file_system(ray_of_two, recordings, plain, tmp_path):
    # Given recordings on a file system that is not this machine's for all that the package knows.
    store = DirFileSystem(str(tmp_path), LocalFileSystem())

    # When they are labelled there,
    report = fleet.label_bags(
        "recordings", "out", actors=2, filesystem=store, scratch=tmp_path / "here", progress=False
    )

    # then all is as on this machine, and nothing is left in the folder of the work.
    out = tmp_path / "out"
    assert report.counts["labelled"] == 8
    check_all_but_the_broken_one(report, out, plain)
    assert rows(out / "errors.parquet")["broken"]["message"].startswith("recordings/broken")

    # What was uploaded in part is no output, and is made anew; what is finished is not even fetched.
    half = out / "bag_3_labelled"
    (half / "metadata.yaml").unlink()
    (half / _places.UNFINISHED).touch()
    (half / "of_an_older_upload").touch()
    for number in (0, 1):
        shutil.rmtree(recordings / f"bag_{number}")
    names = {f"recordings/bag_{number}": f"bag_{number}_labelled" for number in range(8)}
    names["recordings/broken"] = "broken_labelled"
    report = fleet.label_bags(names, "out", actors=2, filesystem=store, scratch=tmp_path / "here", progress=False)
    assert report.counts["labelled"] == 1 and report.counts["skipped"] == 7
    assert not (half / "of_an_older_upload").exists()
    check_all_but_the_broken_one(report, out, plain)


def test_what_somebody_else_keeps_under_an_outputs_name_is_never_replaced(ray_of_two, recordings, tmp_path):
    store = DirFileSystem(str(tmp_path), LocalFileSystem())
    kept = tmp_path / "out" / "bag_0_labelled" / "thesis.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("years of work")
    report = fleet.label_bags("recordings/bag_0", "out", filesystem=store, progress=False)
    assert report.counts["failed"] == 1
    assert rows(tmp_path / "out" / "errors.parquet")["bag_0"]["kind"] == "output_refused"
    assert kept.read_text() == "years of work" and len(list(kept.parent.iterdir())) == 1


class _Failing(type(fsspec.filesystem("memory"))):
    """A store in memory that fails at its n-th writing."""

    protocol = "failing"
    cachable = False
    left = 0

    def _count(self):
        _Failing.left -= 1
        if _Failing.left < 0:
            raise OSError("the line is down")

    def open(self, path, mode="rb", **options):
        if "w" in mode:
            self._count()
        return super().open(path, mode, **options)

    def mv(self, *arguments, **options):
        self._count()
        return super().mv(*arguments, **options)


def _problem_of(act):
    try:
        act()
    except sr.Error as problem:
        return problem
    return None


def test_an_upload_that_ends_anywhere_leaves_no_bag(plain):
    """Ends after each writing, as a kill would."""
    files = {path.name for path in plain.folder.iterdir()}
    seen = []
    for writings in range(20):
        # Given a store that fails after so many writings,
        _Failing.left = writings
        store = _Failing()
        target = _places.Place(_places.as_pyarrow(store), "/fleet/out/plain", "memory://fleet/out/plain")
        # when a folder is uploaded,
        problem = _problem_of(lambda target=target: _places.publish(plain.folder, target))
        if problem is not None:
            # then what is there is unfinished, and says so,
            assert problem.kind == "storage" and "the line is down" in problem.message
            seen.append(_places.state(target))
            continue
        # or all of it is.
        assert set(seen) == {"absent", "unfinished"} and seen.count("unfinished") >= len(files)
        assert _places.state(target) == "finished"
        assert {entry.base_name for entry in target.entries()} == files
        for name in files:
            with target.filesystem.open_input_stream(target.child(name).path) as stream:
                assert stream.read() == (plain.folder / name).read_bytes()
        return
    pytest.fail("no upload went through")


def test_a_uri_of_fsspec_is_a_place():
    memory = fsspec.filesystem("memory")
    memory.pipe("/lab/bags/one/metadata.yaml", b"x")
    found = _places.locate("memory://lab/bags")
    assert [entry.base_name for entry in found.entries()] == ["one"]
    assert found.local is None and found.name == "bags"
    assert [bag.shown for bag in _discover._bags_of([found])[0]] == ["memory://lab/bags/one"]
    assert _places.locate("memory://lab/odd#name 1%").path.endswith("lab/odd#name 1%")
    with pytest.raises(sr.Error, match="cannot open nothing://lab/bags"):
        _places.locate("nothing://lab/bags")


def test_two_bags_of_one_name_are_refused_and_names_help(recordings, tmp_path):
    other = tmp_path / "other" / "bag_0"
    shutil.copytree(recordings / "bag_0", other)
    out = _places.locate(tmp_path / "out")
    with pytest.raises(sr.Error) as raised:
        _discover.bag_jobs([recordings / "bag_0", other], out)
    assert "would be the result of two" in raised.value.message and "{path: name" in raised.value.remedy
    named = {str(recordings / "bag_0"): "monday", str(other): "tuesday"}
    assert [job.output.name for job in _discover.bag_jobs(named, out)] == ["monday", "tuesday"]


def test_folders_are_searched_as_the_program_searches_them(tmp_path):
    # Given what folders of recordings look like,
    files = [
        "day/robot/bag/metadata.yaml",
        "day/robot/bag/bag_0.mcap",
        "day/single.mcap",
        "day/parts/run_0.db3",
        "day/parts/run_1.db3",
        "day/same/same.mcap",
        "day/.hidden/metadata.yaml",
        "day/bag_labelled/metadata.yaml",
        "day/bag_labelled/bag_labelled_reward.parquet",
        "day/half/.spatial_reward_unfinished",
        "day/half/half_0.mcap",
        "too/deep/by/one/metadata.yaml",
        "notes.txt",
    ]
    for file in files:
        path = tmp_path / "recordings" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    # when they are searched, then bags are found, and outputs, hidden and deep folders are not.
    out = _places.locate(tmp_path / "out")
    jobs = _discover.bag_jobs(tmp_path / "recordings" / "day", out)
    below = str(tmp_path / "recordings" / "day") + "/"
    assert [job.path.removeprefix(below) for job in jobs] == ["parts", "robot/bag", "same", "single.mcap"]
    assert jobs[-1].output.name == "single_labelled"
    # A folder whose own files are one bag is that bag, whatever else is in it.
    (tmp_path / "recordings" / "day" / "single.mcap").rename(tmp_path / "recordings" / "day" / "day_0.mcap")
    assert [job.path for job in _discover.bag_jobs(tmp_path / "recordings" / "day", out)] == [below.rstrip("/")]
    with pytest.raises(sr.Error, match="no bag to label"):
        _discover.bag_jobs(tmp_path / "recordings" / "too", out)
