#!/usr/bin/python3
"""judge_test.py CASE | --list: a judge that lets things pass would make other tests worthless, so it is tested itself."""

import sys
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fleetlab
import loki_judge
import snappy
from fleetlab import Judge, Mint, check, verdict


def push(judge, lines, labels='{a="b"}', raw=None):
    """-> (status, Retry-After), or the name of the connection error."""
    request = loki_judge.PushRequest()
    stream = request.streams.add(labels=labels)
    for number, line in enumerate(lines):
        entry = stream.entries.add(line=line)
        entry.timestamp.seconds, entry.timestamp.nanos = 1700000000, number
        entry.structured_metadata.add(name="m", value="v")
    body = snappy.compress(request.SerializeToString()) if raw is None else raw
    sent = urllib.request.Request(judge.push_url, body, {"Content-Type": "application/x-protobuf"})
    try:
        with urllib.request.urlopen(sent, timeout=5) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Retry-After")
    except OSError as error:
        return type(error).__name__


def misbehaves_as_told():
    """Each mode answers as it says, keeps what it says, is counted, and ends by itself."""
    with Judge() as judge:
        check(push(judge, ["plain"], '{a="b\\n\\u00e9\\"", c="d"}') == (204, None), "a push")
        entry = judge.entries()[0]
        check(entry["labels"] == {"a": 'b\n\u00e9"', "c": "d"} and entry["ts"] == 1700000000 * 10**9 and
              entry["metadata"] == {"m": "v"}, f"decoded as {entry}")
        reset = "ConnectionResetError"
        for mode, answer, kept in (("503", (503, None), False), ("500", (500, None), False), ("429", (429, "7"), False),
                                   ("401", (401, None), False), ("reset", reset, False), ("silence", reset, False),
                                   ("slow", (204, None), True), ("lost-ack", reset, True)):
            judge.mode(mode, requests=1, retry_after=7, hold=0.1, delay=0.1)
            got = push(judge, [f"in {mode}"])
            check(got == answer, f"{mode}: {got}")
            check(any(e["line"] == f"in {mode}" for e in judge.entries()) == kept, f"{mode}: kept or not")
            check(push(judge, [f"after {mode}"]) == (204, None), f"{mode} did not end")
        judge.reject("poison")
        check(push(judge, ["beside", "poison"])[0] == 400 and push(judge, ["good"])[0] == 204, "reject")
        judge.reject("poison", store_rest=True)
        check(push(judge, ["beside too", "poison"])[0] == 400, "reject, rest kept")
        lines = [e["line"] for e in judge.entries()]
        check("beside" not in lines and "beside too" in lines and "poison" not in lines, f"kept {lines}")
        count = judge.count()
        check(count["faults"] == {"503": 1, "500": 1, "429": 1, "401": 1, "reset": 1, "silence": 1, "slow": 1,
                                  "lost-ack": 1, "400": 2} and count["malformed"] == [], f"counted {count}")


def sees_what_is_malformed():
    """What a real Loki would not parse is answered with 400, kept out and remembered."""
    with Judge() as judge:
        wrong = ['{9="x"}', "{}", '{a="x"', 'a="x"', '{a="x",a="y"}', '{a="\\q"}', '{a=x}']
        for labels in wrong:
            check(push(judge, ["line"], labels)[0] == 400, f"labels {labels} were taken")
        check(push(judge, [], raw=b"\xff\xff\xff\xff garbage")[0] == 400, "garbage was taken")
        check(push(judge, [], raw=snappy.compress(b"\x0a\xff\x01"))[0] == 400, "a torn message was taken")
        check(len(judge.count()["malformed"]) == len(wrong) + 2 and not judge.entries(), f"{judge.count()}")


def the_verdict_is_strict():
    """missing, corrupted, spurious and unequal repeats are each found, and only they."""
    mint = Mint("x")
    lines = [mint.line() for _ in range(5)]
    good = [{"line": line, "ts": n, "labels": {"a": "b"}} for n, line in enumerate(lines)]
    clean = verdict(lines, good + [dict(good[0])])
    check(all(clean[name] == 0 for name in ("missing", "corrupted", "spurious", "unequal")) and clean["repeats"] == 1,
          f"{clean}")
    for name, entries in (("missing", good[1:]), ("corrupted", good + [{**good[0], "line": lines[0][:-1]}]),
                          ("spurious", good + [{**good[0], "line": mint.line()}]),
                          ("unequal", good + [{**good[0], "ts": 99}]), ("unequal", good + [{**good[0], "labels": {}}])):
        found = verdict(lines, entries)
        others = [n for n in ("missing", "corrupted", "spurious", "unequal") if n != name]
        check(found[name] == 1 and all(found[n] == 0 for n in others), f"{name}: {found}")


if __name__ == "__main__":
    fleetlab.main([misbehaves_as_told, sees_what_is_malformed, the_verdict_is_strict])
