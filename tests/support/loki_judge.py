#!/usr/bin/python3
"""A Loki that judges: takes pushes, keeps every entry, and misbehaves on request.

Independent of the agent on purpose: python3-protobuf and python3-snappy decode what the agent encoded, and the message
layout below is written from Loki's public push API (pkg/push/push.proto), not from agent/wire.

Ingest, as in Loki:
  POST /loki/api/v1/push   application/x-protobuf (snappy block) or application/json   -> 204, or 400 when it is malformed
  GET  /ready              200
Queries, as in Loki, of selectors with = and =~ and at most one |= behind them:
  GET  /loki/api/v1/query_range?query=Q&start=NS&end=NS&limit=N, until now without an end
Control, for tests and people:
  GET  /entries?since=N    entries N.. in order of arrival, one JSON object per line: n, request, tenant, labels, ts, line, metadata
  GET  /count              {"entries", "pushes", "lines", "faults": {mode: times served}, "malformed": [why], "rejected"}
  GET  /requests           the last 1000 pushes: status, bytes, entries, tenant, authorization, user_agent
  GET  /queries            the last 1000 queries: query, found, tenant, authorization
  POST /mode               {"mode": M, "requests": N | "seconds": T, ...}; M "ok" ends it. Without a bound it stays on.
                             "503" | "500" | "429" (retry_after: seconds) | "401"
                             "413"       refuses a push of more than one entry; keeps nothing of it
                             "reset"     reads half of the body, then resets the connection; keeps nothing
                             "silence"   reads everything and never answers (gives up after `hold` seconds, 5); keeps nothing
                             "slow"      answers `delay` seconds late (1); keeps the entries
                             "lost-ack"  keeps the entries, then resets the connection instead of answering
                             "chaos"     for each push one of `modes` with the chance `chance`, else ok; seeded by `seed`
  POST /reject             {"match": TEXT, "store_rest": BOOL}: from now on a push that holds an entry whose line contains TEXT
                             is answered with 400; its other entries are kept only with store_rest. {"match": null} ends it
  POST /forget             drops the entries and counters kept so far
  POST /tls                {"cert": FILE, "key": FILE, "clients": FILE}: from now on this certificate, and clients with
                             certificates of these authorities; needs --tls

Prints `port N` when it listens, with --tls `port N tls M`: both ports answer everything. --store FILE appends the entries as JSON lines. One thread per connection; one lock.
"""

import argparse
import gzip
import http.server
import json
import random
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from collections import Counter, deque

import snappy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf import message as protobuf_message

MAX_BODY = 64 << 20
REFUSALS = {"503": 503, "500": 500, "429": 429, "401": 401}
MODES = set(REFUSALS) | {"ok", "413", "reset", "silence", "slow", "lost-ack", "chaos"}


def push_request_class():
    """logproto.PushRequest, built at run time."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="judge/push.proto", package="judge", syntax="proto3")

    def message(name, *fields):
        added = file.message_type.add(name=name)
        for number, field_name, kind, repeated in fields:
            one = added.field.add(name=field_name, number=number)
            one.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            if isinstance(kind, str):
                one.type, one.type_name = field.TYPE_MESSAGE, ".judge." + kind
            else:
                one.type = kind

    message("Timestamp", (1, "seconds", field.TYPE_INT64, False), (2, "nanos", field.TYPE_INT32, False))
    message("LabelPair", (1, "name", field.TYPE_STRING, False), (2, "value", field.TYPE_STRING, False))
    message("Entry", (1, "timestamp", "Timestamp", False), (2, "line", field.TYPE_STRING, False),
            (3, "structured_metadata", "LabelPair", True))
    message("Stream", (1, "labels", field.TYPE_STRING, False), (2, "entries", "Entry", True),
            (3, "hash", field.TYPE_UINT64, False))
    message("PushRequest", (1, "streams", "Stream", True))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("judge.PushRequest")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


PushRequest = push_request_class()


class Malformed(Exception):
    """What a real Loki would answer with 400 whatever the content: the sender's encoder is wrong."""


LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*("(?:[^"\\\n]|\\.)*")\s*')
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.S)
MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|=)\s*("(?:[^"\\\n]|\\.)*")')
QUERY = re.compile(r'\{(.*)\}\s*(?:\|=\s*("(?:[^"\\\n]|\\.)*"))?\Z')
SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


def go_unquote(text):
    """A Go interpreted string literal -> str. \\x and octal escapes are bytes, \\u and \\U are code points."""
    out = bytearray()
    at = 1
    for match in ESCAPE.finditer(text, 1, len(text) - 1):
        out += text[at:match.start()].encode()
        at = match.end()
        byte, four, eight, octal, simple = match.groups()
        if byte:
            out.append(int(byte, 16))
        elif octal:
            out.append(int(octal, 8))
        elif four or eight:
            out += chr(int(four or eight, 16)).encode()
        elif simple in SIMPLE:
            out += SIMPLE[simple].encode()
        else:
            raise Malformed(f"unknown escape in {text}")
    out += text[at:-1].encode()
    return out.decode("utf-8", "strict")


def parse_labels(text):
    """{a="b", c="d"} -> dict. Refuses what Loki refuses: no labels, wrong names, a name twice."""
    if not (text.startswith("{") and text.endswith("}")):
        raise Malformed(f"labels without braces: {text[:200]}")
    labels, at, end = {}, 1, len(text) - 1
    while at < end:
        match = PAIR.match(text, at, end)
        if not match:
            raise Malformed(f"labels do not parse: {text[:200]}")
        name = match.group(1)
        if name in labels:
            raise Malformed(f"label {name} twice: {text[:200]}")
        labels[name] = go_unquote(match.group(2))
        at = match.end()
        if at < end:
            if text[at] != ",":
                raise Malformed(f"labels do not parse: {text[:200]}")
            at += 1
    if not labels:
        raise Malformed("a stream without labels")
    return labels


def decode_protobuf(body):
    try:
        raw = snappy.uncompress(body)
    except Exception as error:  # snappy's own error type differs between versions
        raise Malformed(f"not a snappy block: {error}") from error
    request = PushRequest()
    try:
        request.ParseFromString(raw)
    except protobuf_message.DecodeError as error:
        raise Malformed(f"not a PushRequest: {error}") from error
    known = {}
    for stream in request.streams:
        if not stream.entries:
            raise Malformed(f"stream without entries: {stream.labels[:200]}")
        if stream.labels in known:
            raise Malformed(f"stream twice in one push: {stream.labels[:200]}")
        labels = known[stream.labels] = parse_labels(stream.labels)
        for entry in stream.entries:
            if not 0 <= entry.timestamp.nanos < 1_000_000_000:
                raise Malformed(f"nanos out of range: {entry.timestamp.nanos}")
            if not entry.HasField("timestamp"):
                raise Malformed("entry without timestamp")
            yield (labels, entry.timestamp.seconds * 1_000_000_000 + entry.timestamp.nanos, entry.line,
                   {pair.name: pair.value for pair in entry.structured_metadata})


def decode_json(body):
    try:
        for stream in json.loads(body)["streams"]:
            labels = stream["stream"]
            if not labels or not all(LABEL_NAME.match(name) for name in labels):
                raise Malformed(f"wrong labels: {labels}")
            for value in stream["values"]:
                yield labels, int(value[0]), value[1], value[2] if len(value) > 2 else {}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Malformed(f"not a push in JSON: {error!r}") from error


class Judge:
    """Everything kept and the present misbehaviour. Thread-safe."""

    def __init__(self, store):
        self.lock = threading.Lock()
        self.store = store
        self.entries, self.requests = [], deque(maxlen=1000)
        self.queries = deque(maxlen=1000)
        self.faults, self.malformed = Counter(), []
        self.pushes = self.rejected = 0
        self.mode, self.left, self.until = {"mode": "ok"}, None, None
        self.chaos = random.Random(0)
        self.match, self.store_rest = None, False

    def forget(self):
        with self.lock:
            self.entries, self.requests = [], deque(maxlen=1000)
            self.faults, self.malformed = Counter(), []
            self.pushes = self.rejected = 0

    def set_mode(self, wish):
        for mode in [wish.get("mode")] + wish.get("modes", []):
            if mode not in MODES:
                raise ValueError(f"unknown mode {mode!r}; known: {', '.join(sorted(MODES))}")
        with self.lock:
            self.mode = wish
            self.left = wish.get("requests")
            self.until = time.monotonic() + wish["seconds"] if "seconds" in wish else None
            self.chaos = random.Random(wish.get("seed", 0))

    def next_mode(self):
        """The mode for one more push; counts it."""
        with self.lock:
            if self.left == 0 or (self.until is not None and time.monotonic() >= self.until):
                self.mode, self.left, self.until = {"mode": "ok"}, None, None
            if self.left is not None:
                self.left -= 1
            mode, wish = self.mode["mode"], self.mode
            if mode == "chaos":
                mode = self.chaos.choice(wish["modes"]) if self.chaos.random() < wish.get("chance", 0.5) else "ok"
            if mode not in ("ok", "413"):
                self.faults[mode] += 1
            return mode, wish

    def keep(self, entries, tenant, mode):
        """Stores a push as Loki would. -> the answer: (status, text)."""
        with self.lock:
            if mode == "413" and len(entries) > 1:
                self.faults["413"] += 1
                return 413, "larger than the judge likes"
            bad = [e for e in entries if self.match is not None and self.match in e[2]]
            if bad:
                self.faults["400"] += 1
                self.rejected += len(bad)
                if not self.store_rest:
                    return 400, f"entry for stream refused by the judge: {bad[0][2][:100]}"
            for labels, ts, line, metadata in entries:
                if bad and self.match in line:
                    continue
                entry = {"n": len(self.entries), "request": self.pushes, "tenant": tenant, "labels": labels, "ts": ts,
                         "line": line, "metadata": metadata}
                self.entries.append(entry)
                if self.store:
                    self.store.write(json.dumps(entry) + "\n")
            if self.store:
                self.store.flush()
            return (400, "some entries were refused by the judge") if bad else (204, "")

    def query(self, text, start, end, limit):
        """-> streams as Loki's query_range gives them"""
        match = QUERY.match(text)
        if not match:
            raise Malformed(f"the judge does not know such queries: {text[:200]}")
        matchers = [(name, operator, go_unquote(value)) for name, operator, value in MATCHER.findall(match[1])]
        if not any(value != "" for _, _, value in matchers):
            raise Malformed("a selector needs a matcher that does not take the empty value")
        wanted = go_unquote(match[2]) if match[2] else ""
        streams = {}
        with self.lock:
            for entry in self.entries:
                holds = all(re.fullmatch(value, entry["labels"].get(name, "")) if operator == "=~" else entry["labels"].get(name, "") == value
                            for name, operator, value in matchers)
                if holds and wanted in entry["line"] and start <= entry["ts"] < end and limit > 0:
                    limit -= 1
                    stream = streams.setdefault(json.dumps(entry["labels"], sort_keys=True), {"stream": entry["labels"], "values": []})
                    stream["values"].append([str(entry["ts"]), entry["line"]])
        return list(streams.values())

    def complain(self, why):
        with self.lock:
            if len(self.malformed) < 1000:
                self.malformed.append(why)

    def remember(self, request):
        with self.lock:
            self.pushes += 1
            self.requests.append(request)

    def count(self):
        with self.lock:
            return {"entries": len(self.entries), "pushes": self.pushes, "faults": dict(self.faults),
                    "lines": len({e["line"] for e in self.entries}), "malformed": list(self.malformed),
                    "rejected": self.rejected}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    judge = None
    tls = None

    def log_message(self, format, *args):
        pass

    def answer(self, status, body=b"", content_type="application/json", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/ready":
            self.answer(200, b"ready\n", "text/plain")
        elif url.path == "/count":
            self.answer(200, json.dumps(self.judge.count()).encode())
        elif url.path == "/requests":
            with self.judge.lock:
                kept = list(self.judge.requests)
            self.answer(200, json.dumps(kept).encode())
        elif url.path == "/queries":
            with self.judge.lock:
                kept = list(self.judge.queries)
            self.answer(200, json.dumps(kept).encode())
        elif url.path == "/loki/api/v1/query_range":
            self.query({name: values[0] for name, values in query.items()})
        elif url.path == "/entries":
            with self.judge.lock:
                kept = self.judge.entries[int(query.get("since", ["0"])[0]):]
            self.answer(200, "".join(json.dumps(entry) + "\n" for entry in kept).encode(), "application/x-ndjson")
        else:
            self.answer(404, b"{}")

    def do_POST(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/loki/api/v1/push":
            self.push()
            return
        try:
            body = self.body() or b"{}"
            wish = json.loads(body)
            if path == "/mode":
                self.judge.set_mode(wish)
            elif path == "/reject":
                with self.judge.lock:
                    self.judge.match, self.judge.store_rest = wish["match"], wish.get("store_rest", False)
            elif path == "/forget":
                self.judge.forget()
            elif path == "/tls" and self.tls:
                self.tls.load_cert_chain(wish["cert"], wish["key"])
                self.tls.load_verify_locations(wish["clients"])
                self.tls.verify_mode = ssl.CERT_REQUIRED
            else:
                self.answer(404, b"{}")
                return
        except (ValueError, KeyError, Malformed) as error:
            self.answer(400, json.dumps({"error": str(error)}).encode())
            return
        self.answer(200, b"{}")

    def query(self, asked):
        try:
            found = self.judge.query(asked.get("query", ""), int(asked.get("start", "0")),
                                     int(asked.get("end", time.time_ns())), int(asked.get("limit", "100")))
        except (Malformed, ValueError, re.error) as error:
            self.answer(400, str(error).encode(), "text/plain")
            return
        with self.judge.lock:
            self.judge.queries.append({"query": asked["query"], "found": len(found), "tenant": self.headers.get("X-Scope-OrgID", ""),
                                       "authorization": self.headers.get("Authorization", "")})
        self.answer(200, json.dumps({"status": "success", "data": {"resultType": "streams", "result": found}}).encode())

    def body(self, share=1.0):
        """The request's body; with share < 1 only that part of it."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            out = bytearray()
            while size := int(self.rfile.readline(64).split(b";")[0], 16):
                out += self.rfile.read(size)
                self.rfile.readline(8)
                if len(out) > MAX_BODY:
                    raise Malformed("body too large")
                if share < 1:
                    return bytes(out)
            self.rfile.readline(8)
            return bytes(out)
        length = int(self.headers.get("Content-Length", "0"))
        if length > MAX_BODY:
            raise Malformed("body too large")
        size = int(length * share)
        body = self.rfile.read(size)
        if len(body) < size:  # a sender that was killed: nobody takes half a push for a whole one
            raise ConnectionError("the sender ended within the body")
        return body

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # it shares the socket, which closes with its last user
        self.connection.close()
        self.close_connection = True

    def wait_for_hang_up(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], left)
            if readable and not self.connection.recv(4096):
                return

    def client_name(self):
        """The common name of the client's certificate."""
        if not isinstance(self.connection, ssl.SSLSocket):
            return ""
        subject = dict(pair for part in self.connection.getpeercert().get("subject", ()) for pair in part)
        return subject.get("commonName", "")

    def push(self):
        mode, wish = self.judge.next_mode()
        request = {"status": 0, "mode": mode, "bytes": 0, "entries": 0, "tenant": self.headers.get("X-Scope-OrgID", ""),
                   "authorization": self.headers.get("Authorization", ""),
                   "user_agent": self.headers.get("User-Agent", ""), "time": time.time(), "client": self.client_name()}
        try:
            if mode == "reset":
                self.body(0.5)
                self.reset()
                return
            body = self.body()
            request["bytes"] = len(body)
            if mode == "silence":
                self.wait_for_hang_up(wish.get("hold", 5))
                self.reset()
                return
            if mode in REFUSALS:
                request["status"] = REFUSALS[mode]
                headers = [("Retry-After", str(wish["retry_after"]))] if mode == "429" and "retry_after" in wish else []
                self.answer(REFUSALS[mode], b"the judge says " + mode.encode() + b"\n", "text/plain", headers)
                return
            status, text = self.judge_body(body, request, mode)
            if mode == "slow":
                self.wait_for_hang_up(wish.get("delay", 1))
            if mode == "lost-ack":
                self.reset()
                return
            request["status"] = status
            self.answer(status, text.encode() + b"\n", "text/plain")
        except OSError:  # the sender is gone, which is its right
            self.close_connection = True
        finally:
            self.judge.remember(request)

    def judge_body(self, body, request, mode):
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            kind = self.headers.get("Content-Type", "").split(";")[0].strip()
            if kind == "application/x-protobuf":
                entries = list(decode_protobuf(body))
            elif kind == "application/json":
                entries = list(decode_json(body))
            else:
                raise Malformed(f"Content-Type {kind!r}")
        except (Malformed, UnicodeDecodeError, OSError) as error:
            self.judge.complain(str(error))
            return 400, str(error)
        request["entries"] = len(entries)
        return self.judge.keep(entries, request["tenant"], mode)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # resets are what this server is for
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description="A Loki that judges; see the head of the file.")
    parser.add_argument("--listen", default="127.0.0.1:0", help="ADDRESS:PORT, port 0: any (default %(default)s)")
    parser.add_argument("--tls", action="store_true", help="listen for HTTPS as well, once POST /tls has told how")
    parser.add_argument("--store", help="append the entries to this file, one JSON object per line")
    arguments = parser.parse_args()
    address, port = arguments.listen.rsplit(":", 1)
    store = open(arguments.store, "a", encoding="utf-8") if arguments.store else None
    Handler.judge = Judge(store)
    server = Server((address, int(port)), Handler)
    ports = ["port", server.server_address[1]]
    if arguments.tls:
        Handler.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure = Server((address, 0), Handler)
        # The handshake is the connection's own thread's.
        secure.socket = Handler.tls.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=secure.serve_forever, daemon=True).start()
        ports += ["tls", secure.server_address[1]]
    print(*ports, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
