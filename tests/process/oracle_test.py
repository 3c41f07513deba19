#!/usr/bin/python3
"""oracle_test.py CASE | --list: lines are minted through every kind of source, judges keep what arrives, everything between
fails on purpose: nothing is missing, corrupted or made up, and what comes twice is equal to the nanosecond.

Real: the agents, a Docker Engine, journal files (systemd-journal-remote), tmpfs disks, judges that we did not teach our
encoding. From the environment:
  ORACLE_SEED   of everything that is random (printed)
  ORACLE_KILLS  kill -9 in all worlds together (1040); 80 is the short mode, which takes half a minute
  ORACLE_WORLDS the worlds to run, by name (journal docker files network)
"""

import multiprocessing
import os
import random
import re
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import fleetlab
from fleetlab import Judge, Lab, check, eventually, explain, verdict
from oracle import faults, mint
from oracle.world import World

SEED = int(os.environ.get("ORACLE_SEED", random.SystemRandom().randrange(1 << 32)))
WAL = "  wal {\n    enabled = true\n  }\n"
KILLS = int(os.environ.get("ORACLE_KILLS", "1040"))


def journal_world(folder, kills):
    """The journal, rotated, and vacuumed behind what was delivered; the disk of the agent's state is full now and then."""
    source = mint.Journal(folder, SEED)
    disk = faults.SmallDisk(folder / "agent/data")
    try:
        with Judge() as judge:
            world = World("journal", SEED, folder, [source], [judge], write=WAL)

            def rotate():
                source.rotate()
                world.count["rotations"] += 1

            def vacuum():
                world.count["vacuumed files"] += source.vacuum(world.arrived(judge))
                world.flows()

            def full_disk():
                disk.fill()
                world.flows()
                world.end_life()
                world.agent.start().wait_ready()
                world.flows()
                disk.make_room()
                world.count["full disks"] += 1

            world.once_in(20, rotate).once_in(33, vacuum).once_in(66, full_disk)
            return world.run(kills)
    finally:
        disk.unmount()


def docker_world(folder, kills):
    """Containers through the API, one container's json-files, which the daemon rotates; the daemon is restarted and killed."""
    with Lab("/tmp/fleet-oracle", "oracle") as lab:
        lab.run("docker-up")
        sources = [mint.Container(lab, SEED, "stdout"), mint.Container(lab, SEED, "stderr", ">&2"),
                   mint.JsonFile(lab, SEED, "jsonfile")]
        with Judge() as judge:
            world = World("docker", SEED, folder, sources, [judge], lab=lab)

            def dockerd():
                faults.restart_dockerd(lab, sources, "KILL" if world.count["dockerd restarts"] % 2 else "TERM")
                world.count["dockerd restarts"] += 1
                world.flows()

            world.once_in(80, dockerd)
            figures = world.run(kills)
            figures["rotations"] = sources[2].rotations()
            return figures


def files_world(folder, kills):
    """Files that are renamed, copied and truncated, or appear compressed; two receivers, of which one is away now and then."""
    sources = [mint.Rotated(folder, SEED), mint.Copied(folder, SEED, "copied"), mint.Gzipped(folder, SEED)]
    with Judge() as judge, Judge() as other:
        world = World("files", SEED, folder, sources, [judge, other])

        def rotate():
            for source in sources[:2]:
                source.rotate()
            world.count["rotations"] += 1

        def outage():
            other.mode("503")
            start = time.monotonic()
            world.judges.remove(other)
            world.flows()
            world.judges.append(other)
            world.count["seconds of outage"] += time.monotonic() - start
            faults.chaos(other, SEED)
            world.count["outages"] += 1

        world.once_in(33, rotate).once_in(33, outage)
        figures = world.run(kills)
        figures["gz files"] = sources[2].appeared
        return figures


def network_world(folder, kills):
    """Syslog over TCP, the push API with and without its queue: what was received, or acknowledged, is owed."""
    sources = [mint.Push(SEED, fleetlab.free_port()),
               mint.Push(SEED, fleetlab.free_port(), "api-queued", "  queue {\n    enabled = true\n  }\n"),
               mint.Syslog(SEED, fleetlab.free_port())]
    with Judge() as judge:
        figures = (world := World("network", SEED, folder, sources, [judge])).run(kills)
        figures["pushes sent again"] = sum(source.retries for source in world.sources[:2])
        return figures


WORLDS = {"journal": (journal_world, ["rotations", "vacuumed files", "full disks"]),
          "docker": (docker_world, ["dockerd restarts", "rotations"]),
          "files": (files_world, ["rotations", "outages", "gz files"]),
          "network": (network_world, ["pushes sent again"])}


def in_a_process(name, folder, kills, results):
    try:
        folder.mkdir()
        results.put((name, WORLDS[name][0](folder, kills), None))
    except BaseException:
        results.put((name, None, traceback.format_exc()))


def nothing_is_lost():
    """kill -9 more than a thousand times, in four worlds at once: nothing missing, corrupted or made up, repeats are equal."""
    fleetlab.as_root()
    names = os.environ.get("ORACLE_WORLDS", " ".join(WORLDS)).split()
    kills = -(-KILLS // len(names))
    print(f"ORACLE_SEED={SEED} ORACLE_KILLS={KILLS}: {kills} kills in each of {', '.join(names)}", flush=True)
    start = time.monotonic()
    with fleetlab.scratch_dir("fleet-oracle-test") as folder:
        results = multiprocessing.Queue()
        processes = [multiprocessing.Process(target=in_a_process, args=(name, folder / name, kills, results))
                     for name in names]
        for process in processes:
            process.start()
        served, wrong = {}, []
        for _ in names:
            name, figures, error = results.get()
            if error:
                wrong.append(f"{name}: {error}")
                continue
            print(f"{name}: {figures}", flush=True)
            for fault, times in figures["faults"].items():
                served[fault] = served.get(fault, 0) + times
            for what in ["kill -9", *(["SIGTERM", "reloads", *WORLDS[name][1]] if KILLS >= 1000 else [])]:
                if not figures.get(what):
                    wrong.append(f"{name}: no {what} happened")
        for process in processes:
            process.join()
        check(not wrong, "\n".join(wrong))
        for fault in (faults.RECEIVER + ["400"] if KILLS >= 200 and set(names) == set(WORLDS) else []):
            check(served.get(fault, 0) > 0, f"the receiver's fault {fault} was never served")
        print(f"all in {time.monotonic() - start:.0f} s")


def all_but(world, lost, what):
    """Everything that is owed arrives except `lost`, of which nothing does."""
    judge = world.judges[0]
    owed = set(world.owed()) - set(lost)
    eventually(lambda: owed <= world.arrived(judge), 60, f"{what}: the rest arrives")
    result = verdict(sorted(owed), world.entries(judge))
    wrong = [name for name in ("missing", "corrupted", "spurious", "unequal") if result[name]]
    check(not wrong, f"{what}: {explain(result)}")


def what_nobody_can_keep_is_bounded():
    """Journal files vacuumed and a file cut to nothing before anybody read them: just that is missing, and it is reported."""
    with fleetlab.scratch_dir("fleet-oracle-test") as folder, Judge() as judge:
        journal, cut = mint.Journal(folder, SEED), mint.Rotated(folder, SEED, "cut")
        world = World("lossy", SEED, folder, [journal, cut], [judge])
        lines = lambda source, count: [source.mint_one() for _ in range(count)]
        with world.agent:
            world.agent.start().wait_ready()
            lines(journal, 50), lines(cut, 50)
            all_but(world, [], "before")

            check(world.agent.stop() == 0, "exit status")
            journal.rotate()
            vacuumed = lines(journal, 50)
            gone = journal.files[-1][0]
            journal.rotate()
            lines(journal, 50)
            gone.unlink()
            world.agent.start().wait_ready()
            all_but(world, vacuumed, "a vacuum while nobody read")

            world.agent.process.send_signal(signal.SIGSTOP)
            unread = lines(cut, 50)
            os.truncate(cut.path, 0)
            lines(cut, 5)
            world.agent.process.send_signal(signal.SIGCONT)
            all_but(world, vacuumed + unread, "a truncation while nobody read")
            check(world.agent.metric("loki_source_file_truncations_total") == 1, "a truncation is counted")
            lost_bytes = sum(len(line) + 1 for line in unread)
            said = world.agent.metric("loki_source_file_truncated_bytes_total")
            check(said <= lost_bytes, f"{lost_bytes} bytes are lost, and {said} reported")
            check(world.agent.stop() == 0, "exit status")
        for source in world.sources:
            source.close()


def an_outage_costs_no_memory():
    """A receiver that is away for longer than Alloy tries, 40 MB waiting: memory stays flat, and everything arrives later."""
    with fleetlab.scratch_dir("fleet-oracle-test") as folder, Judge() as judge:
        source = mint.Rotated(folder, SEED, "waiting")
        source.mint.longest = 400
        world = World("outage", SEED, folder, [source], [judge])
        judge.mode("503")
        lines = [source.mint.line() for _ in range(160_000)]
        source.lines = lines
        source.path.write_text("".join(line + "\n" for line in lines))
        resident = lambda: int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{world.agent.process.pid}/status").read_text())[1])
        with world.agent:
            world.agent.start().wait_ready()
            eventually(lambda: world.agent.metric("loki_write_queued_bytes") > 9 << 20, 30, "the queue is full")
            first = resident()
            tries = judge.count()["faults"]["503"]
            eventually(lambda: judge.count()["faults"]["503"] > tries + 50, 60, "50 more tries than Alloy's ten")
            last = resident()
            print(f"resident with a full queue {first / 1024:.1f} MiB, 50 tries later {last / 1024:.1f} MiB")
            check(last - first < 2048 and last < 48 << 10, f"{first} kB, then {last} kB")
            judge.mode("ok")
            all_but(world, [], "after the outage")
            check(world.agent.stop() == 0, "exit status")
        source.close()


def rate_limits_are_kept():
    """A receiver that says 429 for good is asked at most once a second, however small the configured pauses are."""
    with fleetlab.scratch_dir("fleet-oracle-test") as folder, Judge() as judge:
        source = mint.Rotated(folder, SEED, "limited")
        world = World("limited", SEED, folder, [source], [judge])
        judge.mode("429")
        source.mint_one()
        with world.agent:
            world.agent.start().wait_ready()
            eventually(lambda: judge.count()["faults"].get("429", 0) >= 6, 20, "six tries", interval=0.2)
            times = [request["time"] for request in judge.requests()]
            pauses = [after - before for before, after in zip(times, times[1:])]
            check(min(pauses) > 0.95, f"pauses of {pauses} s")
            judge.mode("ok")
            all_but(world, [], "in the end")
        source.close()


if __name__ == "__main__":
    fleetlab.main([nothing_is_lost, what_nobody_can_keep_is_bounded, an_outage_costs_no_memory, rate_limits_are_kept])
