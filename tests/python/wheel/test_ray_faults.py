"""A fleet of workers on Ray when workers are killed, disks are full, and clusters are elsewhere."""

import logging
import os
import signal
import subprocess
import sys
import textwrap

import pyarrow.parquet as pq
import pytest
from ray_recordings import (  # noqa: F401 - fixtures are found by their names
    ENVIRONMENT,
    check_all_but_the_broken_one,
    plain,
    ray_of_two,
    recordings,
    rows,
    short_bag,
    worker_processes,
)

import spatial_reward.ray as fleet


def test_killed_workers_cost_nothing_but_an_attempt(ray_of_two, recordings, plain, tmp_path, caplog):
    # Given workers whose processes are known,
    caplog.set_level(logging.INFO, "spatial_reward.ray")
    killed = []

    def kill(done, _):
        if done == 2:
            for pid in worker_processes(caplog):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    # when all of them are killed in the middle of the run,
    out = tmp_path / "out"
    report = fleet.label_bags(recordings, out, actors=2, progress=kill)

    # then new ones do what these were at, and no bag is lost or counted twice.
    assert len(killed) == 2
    assert report.retried >= 1
    assert report.counts["labelled"] + report.counts["skipped"] == 8
    check_all_but_the_broken_one(report, out, plain)


def _ends_its_process(root, out):
    """Stands for what labels a dataset."""
    os._exit(1)


def test_what_kills_every_worker_ends_in_the_table_of_errors(ray_of_two, tmp_path):
    # When a dataset ends each process that takes it,
    report = fleet.label_lerobot(tmp_path / "one", tmp_path / "out", actors=1, label=_ends_its_process, progress=False)

    # then it is tried three times and no more.
    assert report.counts["failed"] == 1
    error = rows(tmp_path / "out" / "errors.parquet")["one"]
    assert (error["kind"], error["attempt"]) == ("worker_died", 3)


def test_a_full_disk_ends_the_run_and_room_lets_it_go_on(recordings, plain, tmp_path):
    # Given a disk of next to no size: a tmpfs in a namespace of its own, so that it goes with the process.
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    out, script = tmp_path / "out", tmp_path / "run.py"
    out.mkdir()
    if subprocess.run([*namespace, "mount", "-t", "tmpfs", "none", out], check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs may be mounted here, and nothing else is a disk that is full")
    script.write_text(
        textwrap.dedent("""
            import subprocess, sys
            from pathlib import Path
            import pyarrow.parquet as pq
            import spatial_reward.ray as fleet
            recordings, out, saved = map(Path, sys.argv[1:])
            first = fleet.label_bags(recordings, out, actors=2, progress=False)
            statuses = [row["status"] for row in pq.read_table(out / "bags.parquet").to_pylist()]
            errors = pq.read_table(out / "errors.parquet").to_pylist()
            assert first.stopped == "every worker's disk is full", first
            assert 1 <= first.counts["labelled"] < 8 and first.counts["unfinished"] >= 1, first
            assert statuses.count("unfinished") == first.counts["unfinished"]
            full = [error for error in errors if "os error 28" in error["message"]]
            assert len(full) >= 1 and all("make room" in error["remedy"] for error in full), errors
            assert not [path for path in out.glob(".*")], list(out.iterdir())
            subprocess.run(["mount", "-o", "remount,size=64m", out], check=True)
            second = fleet.label_bags(recordings, out, actors=2, progress=False)
            assert second.counts["skipped"] == first.counts["labelled"], (first, second)
            assert second.counts["labelled"] == 8 - first.counts["labelled"] and second.stopped is None
            subprocess.run(["cp", "-r", f"{out}/.", saved], check=True)
        """)
    )
    saved = tmp_path / "saved"
    saved.mkdir()

    # When a fleet fills it, ends, and is begun again with more room (a Ray of its own, begun and ended twice),
    run = '{ mount -t tmpfs -o size=3m none "$1" && exec "$0" "$2" "$3" "$1" "$4"; }'
    command = [*namespace, "sh", "-c", run, sys.executable, out, script, recordings, saved]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300)

    # then nothing was lost, nothing was done twice, and the outputs are those of a plain run.
    assert result.returncode == 0, result.stderr
    assert rows(saved / "errors.parquet").keys() == {"broken"}
    for number in range(8):
        name = f"bag_{number}_labelled"
        assert pq.read_table(saved / name / f"{name}_reward.parquet").equals(pq.read_table(plain.parquet))


def test_a_cluster_is_used_by_its_address(recordings, tmp_path):
    # Given a cluster of two nodes,
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
            import logging, sys
            from ray.cluster_utils import Cluster
            import spatial_reward.ray as fleet
            logging.basicConfig(level=logging.INFO)
            node = {"num_cpus": 1, "object_store_memory": 80 << 20}
            cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
            cluster.add_node(**node)
            report = fleet.label_bags(*sys.argv[1:], address=cluster.address, progress=False)
            assert report.counts["labelled"] == 8 and report.counts["failed"] == 1, report
            cluster.shutdown()
        """)
    )

    # when a run names it, then it has a worker for each processor.
    command = [sys.executable, script, recordings, tmp_path / "out"]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("a worker is process") == 2


def test_an_address_where_nobody_is_is_told_at_once(recordings, tmp_path):
    words = (
        "import sys, spatial_reward as sr, spatial_reward.ray as fleet\n"
        "try: fleet.label_bags(*sys.argv[1:], address='127.0.0.1:9')\n"
        "except sr.Error as error: print(error.kind, error)"
    )
    command = [sys.executable, "-c", words, recordings, tmp_path / "out"]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    assert result.stdout.startswith("ray there is no Ray at 127.0.0.1:9: ") and "ray start" in result.stdout
