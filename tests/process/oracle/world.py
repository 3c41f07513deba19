"""One agent, its sources and its judges. The turns of a world end the agent's life again and again, while everything around
it fails; at the end the judges hold every line that is owed, and nothing else."""

import contextlib
import json
import random
import re
import subprocess
import time
from collections import Counter

import fleetlab
from fleetlab import Agent, Judge, check, eventually, explain, http, verdict
from oracle import faults, mint

# What each source says it has read.
READ = ["loki_source_journal_target_lines_total", "loki_source_docker_target_entries_total", "loki_source_file_read_lines_total",
        "loki_source_syslog_entries_total", "loki_source_api_entries_written"]
RESUME = 30  # s: what is written after a fault arrives within this, while the receiver goes on misbehaving
STOP = 17  # s: SIGTERM to exit; 15 s of draining at most


class WatchedAgent(Agent):
    def metric(self, name):
        """The sum of a metric's series; 0 when there is none, or no answer yet."""
        try:
            _, text = http(self.url + "/metrics")
        except OSError:
            return 0
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}(\{{|\s)", line))


class World:
    def __init__(self, name, seed, folder, sources, judges, write="", lab=None, data=None):
        """write: more words for the body of loki.write. data: where the agent keeps its state."""
        self.name, self.seed, self.sources, self.judges, self.lab = name, seed, sources, judges, lab
        self.random = random.Random(f"{seed}/{name}")
        self.folder = folder
        self.write = write
        self.agent = WatchedAgent(self.config({}), folder / "agent")
        self.count, self.resumed, self.stopped = Counter(), [], []
        self.reloads = faults.Reloads(self.agent, self.config)
        self.faults = []  # (turns, what to do once in so many, the chosen turn of each stretch)

    def config(self, settings):
        settings = {"batch_wait": "40ms", "min_backoff_period": "20ms", "max_backoff_period": "250ms",
                    "remote_timeout": "2s", **settings}
        words = "".join(f'    {name} = "{value}"\n' for name, value in settings.items())
        endpoints = "".join(f'  endpoint {{\n    name = "judge{number}"\n    url  = "{judge.push_url}"\n{words}  }}\n'
                            for number, judge in enumerate(self.judges))
        return f'loki.write "judge" {{\n{endpoints}{self.write}}}\n' + mint.config_of(self.sources, self.lab)

    def once_in(self, turns, act):
        """At a random turn of every `turns`: it happens in each run that is long enough."""
        self.faults.append((turns, act, {}))
        return self

    def entries(self, judge):
        """What arrived, with the line ends that stage.docker leaves (as Alloy's does) taken away."""
        return [{**entry, "line": entry["line"].removesuffix("\n")} if entry["labels"]["job"] == "json-file" else entry
                for entry in judge.entries()]

    def arrived(self, judge):
        return {entry["line"] for entry in self.entries(judge)}

    def owed(self):
        return [line for source in self.sources for line in source.owed()]

    def flows(self):
        """Lines that are written from now on arrive from every source, within RESUME seconds."""
        start = time.monotonic()
        before = {source: len(source.owed()) for source in self.sources}
        for source in self.sources:
            eventually(lambda source=source: len(source.owed()) > before[source], RESUME,
                       lambda source=source: f"{source.name} writes; the log ends: {self.agent.log_tail()}")
        for judge in self.judges:
            missing = {source.owed()[before[source]] for source in self.sources}
            eventually(lambda judge=judge, missing=missing: missing <= self.arrived(judge), RESUME,
                       lambda judge=judge, missing=missing: f"lines flow again: {sorted(m[:60] for m in missing - self.arrived(judge))}; "
                       f"the log ends: {self.agent.log_tail()}", interval=0.1)
        self.resumed.append(time.monotonic() - start)

    def life(self, turn, calm):
        if not self.agent.process or self.agent.process.poll() is not None:
            self.agent.start()
            self.alive_until = time.monotonic() + (
                self.random.uniform(1.0, 2.0) if self.random.random() < 0.08 else self.random.uniform(0.02, 0.35))
        if turn % 10 == 0:
            self.sources[0].poison(f"{faults.POISON} {turn}")  # refused for good; must not take its neighbours with it
        for turns, act, chosen in self.faults:
            if turn % turns == chosen.setdefault(turn // turns, self.random.randrange(turns)):
                self.agent.wait_ready()
                act()
        if calm:
            self.agent.wait_ready()
            self.flows()
        try:
            status = self.agent.process.wait(max(0.0, self.alive_until - time.monotonic()))
            check(False, f"turn {turn}: the agent ended by itself with status {status}: {self.agent.log_tail()}")
        except subprocess.TimeoutExpired:
            pass

    @contextlib.contextmanager
    def held(self, clean):
        """Nobody writes, and the agent has taken what only it can keep."""
        for source in self.sources:
            source.lock.acquire()
        try:
            for source in self.sources:
                source.before_end(self.agent, clean)
            yield
            for source in self.sources:
                source.after_end()
        finally:
            for source in self.sources:
                source.lock.release()

    def stop(self):
        start = time.monotonic()
        check(self.agent.stop(STOP) == 0, f"exit status after SIGTERM: {self.agent.log_tail()}")
        self.stopped.append(time.monotonic() - start)

    def end_life(self):
        clean = self.random.random() < 0.06
        with self.held(clean):
            if clean:
                self.agent.wait_ready()  # before that it has no handler of signals
                self.stop()
                self.count["SIGTERM"] += 1
            else:
                self.agent.kill()
                self.count["kill -9"] += 1

    def run(self, kills):
        """-> figures for the report."""
        start = time.monotonic()
        for judge in self.judges:
            judge.reject(faults.POISON)
            faults.chaos(judge, self.seed)
        self.once_in(25, lambda: [self.reloads.once() for _ in range(6)])
        for source in self.sources:
            source.start()
        with self.agent:
            turn = 0
            while self.count["kill -9"] < kills:
                self.life(turn, calm=turn % 40 == 9)
                self.end_life()
                turn += 1
            killed = time.monotonic() - start
            # The faults stop, and the writers; what is owed arrives.
            for judge in self.judges:
                judge.mode("ok")
            self.agent.start().wait_ready()
            for source in self.sources:
                source.finish()
            figures = self.judge_all()
            figures["drained in"] = round(time.monotonic() - start - killed, 1)
            self.nothing_is_left_to_repeat()
        for source in self.sources:
            source.close()
        figures.update({"world": self.name, "killing took": round(killed, 1), **self.count, "reloads": dict(self.reloads.count),
                        "slowest resume": round(max(self.resumed), 1), "slowest stop": round(max(self.stopped), 1)})
        return figures

    def judge_all(self):
        owed = self.owed()
        minted = [line for source in self.sources for line in source.mint.lines]
        figures = {"owed": len(owed), "minted": len(minted), "faults": Counter(), "repeats": 0}
        for judge in self.judges:
            try:
                eventually(lambda judge=judge: set(owed) <= self.arrived(judge), 90, "every line arrived", interval=0.5)
            except fleetlab.Failed:
                pass  # the verdict says what is missing
            # What was minted and is not owed may have arrived, and may not.
            arrived = self.arrived(judge)
            result = verdict(owed + sorted(set(minted) & arrived - set(owed)), self.entries(judge))
            count = judge.count()
            wrong = [name for name in ("missing", "corrupted", "spurious", "unequal") if result[name]]
            figures["repeats"] += result["repeats"]
            figures["faults"].update(count["faults"])
            check(not wrong, f"{self.name}: {explain(result)}; {json.dumps(figures)}; seed {self.seed}; folder {self.folder}; "
                             f"the agent's log ends: {self.agent.log_tail()}")
            check(count["malformed"] == [], f"malformed pushes: {count['malformed'][:3]}")
            labels_of = {source.name: source.labels for source in self.sources}
            for entry in self.entries(judge):
                wanted = labels_of[entry["line"].split()[0]]
                check(wanted.items() <= entry["labels"].items(), f"labels {entry['labels']}, wanted at least {wanted}")
        return figures

    def books_balance(self, before):
        """What the agent says of this life - read, and per endpoint sent, dropped and queued - is what the judges have got in it."""
        took = lambda: [len(judge.entries()) - seen for judge, seen in zip(self.judges, before)]
        books = lambda: {"read": len(self.judges) * sum(self.agent.metric(name) for name in READ),
                         **{what: self.agent.metric(f"loki_write_{what}_entries{end}")
                            for what, end in [("sent", "_total"), ("dropped", "_total"), ("queued", "")]}}
        eventually(lambda: (said := books())["sent"] == said["read"] == sum(took()) > 0 == said["dropped"] == said["queued"], 10,
                   lambda: f"{self.name}: the agent's books say {books()}, the judges have {took()}")

    def nothing_is_left_to_repeat(self):
        """A clean stop leaves nothing behind: the next life sends new lines only, and counts just these."""
        with self.held(clean=True):
            self.stop()
        before = [len(self.entries(judge)) for judge in self.judges]
        self.agent.start().wait_ready()
        fresh = {source.mint_one() for source in self.sources}
        for judge, seen in zip(self.judges, before):
            eventually(lambda judge=judge, seen=seen: {entry["line"] for entry in self.entries(judge)[seen:]} >= fresh, RESUME,
                       lambda judge=judge, seen=seen: "new lines after a clean stop: " +
                       str(sorted(line[:60] for line in fresh - {entry["line"] for entry in self.entries(judge)[seen:]})) +
                       f"; the log ends: {self.agent.log_tail()}")
            again = [entry["line"][:80] for entry in self.entries(judge)[seen:] if entry["line"] not in fresh]
            check(not again, f"{self.name}: {len(again)} lines were sent again after a clean stop: {again[:3]}")
        self.books_balance(before)
        with self.held(clean=True):
            self.stop()
