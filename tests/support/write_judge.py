"""A receiver of Prometheus' remote write that judges: it keeps every sample, holds each request to the specifications of 1.0 and
2.0 (prometheus.io/docs/specs/prw), and misbehaves as a test wants.

Independent of the agent on purpose: python3-protobuf and python3-snappy decode what the agent encoded, and the layouts below
are written from the public specifications, not from agent/wire.

Stores as Prometheus does: a sample that is older than the newest of its series, or that contradicts it, is refused with 400 and
the whole request with it; one that is there already is taken without being kept twice.
"""

import http.server
import math
import struct
import threading
import time
from collections import defaultdict

import snappy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf import message as protobuf_message

from fleetlab import Served

STALE = 0x7FF0000000000002
VERSION_1 = "application/x-protobuf"
VERSION_2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"


def messages():
    """prometheus.WriteRequest and io.prometheus.write.v2.Request, built at run time."""
    field = descriptor_pb2.FieldDescriptorProto
    text, double, int64, uint64 = field.TYPE_STRING, field.TYPE_DOUBLE, field.TYPE_INT64, field.TYPE_UINT64
    uint32, sint32, sint64, int32 = field.TYPE_UINT32, field.TYPE_SINT32, field.TYPE_SINT64, field.TYPE_INT32
    file = descriptor_pb2.FileDescriptorProto(name="judge/write.proto", package="judge", syntax="proto3")

    def message(name, *fields):
        added = file.message_type.add(name=name)
        for number, field_name, kind, *repeated in fields:
            one = added.field.add(name=field_name, number=number)
            one.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            if isinstance(kind, str):
                one.type, one.type_name = field.TYPE_MESSAGE, ".judge." + kind
            else:
                one.type = kind

    message("Span", (1, "offset", sint32), (2, "length", uint32))
    message("Histogram", (1, "count_int", uint64), (2, "count_float", double), (3, "sum", double), (4, "schema", sint32),
            (5, "zero_threshold", double), (6, "zero_count_int", uint64), (7, "zero_count_float", double),
            (8, "negative_spans", "Span", 1), (9, "negative_deltas", sint64, 1), (10, "negative_counts", double, 1),
            (11, "positive_spans", "Span", 1), (12, "positive_deltas", sint64, 1), (13, "positive_counts", double, 1),
            (14, "reset_hint", int32), (15, "timestamp", int64), (16, "custom_values", double, 1))
    message("Histogram2", *[(one.number, one.name, one.type_name.split(".")[-1] if one.type_name else one.type,
                             *([1] if one.label == field.LABEL_REPEATED else [])) for one in file.message_type[-1].field],
            (17, "start_timestamp", int64))
    message("Sample", (1, "value", double), (2, "timestamp", int64))
    message("Label", (1, "name", text), (2, "value", text))
    message("Exemplar", (1, "labels", "Label", 1), (2, "value", double), (3, "timestamp", int64))
    message("Series", (1, "labels", "Label", 1), (2, "samples", "Sample", 1), (3, "exemplars", "Exemplar", 1),
            (4, "histograms", "Histogram", 1))
    message("Metadata", (1, "type", int32), (2, "family", text), (4, "help", text), (5, "unit", text))
    message("Request", (1, "series", "Series", 1), (3, "metadata", "Metadata", 1))
    message("Sample2", (1, "value", double), (2, "timestamp", int64), (3, "start_timestamp", int64))
    message("Exemplar2", (1, "labels_refs", uint32, 1), (2, "value", double), (3, "timestamp", int64))
    message("Metadata2", (1, "type", int32), (3, "help_ref", uint32), (4, "unit_ref", uint32))
    message("Series2", (1, "labels_refs", uint32, 1), (2, "samples", "Sample2", 1), (3, "histograms", "Histogram2", 1),
            (4, "exemplars", "Exemplar2", 1), (5, "metadata", "Metadata2"))
    message("Request2", (4, "symbols", text, 1), (5, "series", "Series2", 1))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)

    def of(name):
        descriptor = pool.FindMessageTypeByName("judge." + name)
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        return message_factory.MessageFactory(pool).GetPrototype(descriptor)
    return of("Request"), of("Request2")


Request1, Request2 = messages()


class Wrong(Exception):
    """What no sender may send."""


def want(condition, what):
    if not condition:
        raise Wrong(what)


class Decoded:
    """What a request says, whatever its version: [(labels, time, bits)], ..."""

    def __init__(self):
        self.samples, self.exemplars, self.histograms, self.metadata = [], [], [], []
        self.bounded, self.starts = [], []  # of 2.0: histograms with custom buckets; (labels, time, since when it counts)


def parse(kind, body):
    try:
        plain = snappy.decompress(body)
        request = kind()
        request.ParseFromString(plain)
    except (snappy.UncompressError, protobuf_message.DecodeError) as error:
        raise Wrong(f"not a request: {error}") from None
    size = request.ByteSize()
    request.DiscardUnknownFields()
    want(request.ByteSize() == size, "fields that the specification does not have")
    return request


def checked_labels(pairs, name=True):
    names = [key for key, _ in pairs]
    want(names == sorted(set(names), key=lambda key: key.encode()), f"labels not sorted or not unique: {names}")
    want(all(key and value for key, value in pairs), f"an empty name or value: {pairs}")
    want(not name or "__name__" in names, f"no __name__: {pairs}")
    return tuple(pairs)


def bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def take_series(out, labels, series):
    want(series.samples or series.histograms or series.exemplars, "a series without anything")
    times = [sample.timestamp for sample in series.samples]
    want(times == sorted(set(times)), f"samples of a series not in order: {times}")
    now = time.time() * 1000
    want(all(abs(when - now) < 86_400_000 for when in times), f"timestamps that are no milliseconds of these days: {times}")
    out.samples += [(labels, sample.timestamp, bits(sample.value)) for sample in series.samples]
    out.histograms += [(labels, one.timestamp, one.count_int, one.sum) for one in series.histograms]


def bounded(one):
    """{bound: how many were at most that} of a histogram with custom buckets."""
    want(one.schema == -53, f"not a histogram with custom buckets: schema {one.schema}")
    want(not one.negative_spans and not one.zero_count_int and not one.zero_threshold, "custom buckets and others")
    bounds = list(one.custom_values)
    want(bounds == sorted(set(bounds)) and not any(map(math.isinf, bounds)), f"bounds: {bounds}")
    counts, place, count = [0] * (len(bounds) + 1), 0, 0
    deltas = iter(one.positive_deltas)
    for span in one.positive_spans:
        place += span.offset
        for _ in range(span.length):
            count += next(deltas)
            want(count >= 0 and place < len(counts), "a bucket that cannot be")
            counts[place] = count
            place += 1
    want(next(deltas, None) is None and sum(counts) == one.count_int, f"buckets {counts} of {one.count_int}")
    out, seen = {}, 0
    for bound, count in zip([*bounds, math.inf], counts):
        seen += count
        out[bound] = seen
    return out


def decode_1(body):
    request, out = parse(Request1, body), Decoded()
    want(bool(request.series) != bool(request.metadata), "samples and metadata in one request, or neither")
    for series in request.series:
        labels = checked_labels([(label.name, label.value) for label in series.labels])
        take_series(out, labels, series)
        want(all(one.schema != -53 and not one.custom_values for one in series.histograms), "custom buckets in 1.0")
        out.exemplars += [(labels, checked_labels([(label.name, label.value) for label in one.labels], False), one.value,
                           one.timestamp) for one in series.exemplars]
    out.metadata = [(one.family, one.type, one.help, one.unit) for one in request.metadata]
    return out


def decode_2(body):
    request, out = parse(Request2, body), Decoded()
    symbols = list(request.symbols)
    want(symbols[:1] == [""], "the first symbol is not empty")
    want(len(set(symbols)) == len(symbols), "a symbol twice")
    used = {0}

    def texts(refs):
        want(len(refs) % 2 == 0 and all(ref < len(symbols) for ref in refs), f"references {refs} of {len(symbols)} symbols")
        used.update(refs)
        return list(zip([symbols[ref] for ref in refs[::2]], [symbols[ref] for ref in refs[1::2]]))

    seen = set()
    for series in request.series:
        labels = checked_labels(texts(series.labels_refs))
        want(bool(series.samples) != bool(series.histograms), "samples and histograms in one series, or neither")
        want((labels, bool(series.samples)) not in seen, f"a series twice: {labels}")
        seen.add((labels, bool(series.samples)))
        take_series(out, labels, series)
        out.bounded += [(labels, one.timestamp, bounded(one), one.sum) for one in series.histograms if one.schema == -53]
        starts = [one for one in (*series.samples, *series.histograms) if one.start_timestamp]
        want(all(one.start_timestamp <= one.timestamp for one in starts), "it began after it was counted")
        out.starts += [(labels, one.timestamp, one.start_timestamp) for one in starts]
        out.exemplars += [(labels, checked_labels(texts(one.labels_refs), False), one.value, one.timestamp)
                          for one in series.exemplars]
        told = series.metadata
        used.update((told.help_ref, told.unit_ref))
        want(told.help_ref < len(symbols) and told.unit_ref < len(symbols), "metadata refers to no symbol")
        if told.type:
            out.metadata.append((dict(labels)["__name__"], told.type, symbols[told.help_ref], symbols[told.unit_ref]))
    want(used == set(range(len(symbols))), "symbols that nobody refers to")
    return out


class WriteJudge(Served):
    """A receiver on a port of its own. `versions`: what it speaks, of 1 and 2; with `blind` it takes everything for 1.0.

    `answer(n)` decides about request n (from 0): None to judge and keep it; a status, or (status, {header: value}), to refuse it
    unread; "reset" to cut the connection; "lost-ack" to keep it and cut the connection; ("slow", seconds) to keep it late.
    `refuse(labels)` true: 400 for any request that holds such a series."""

    def __init__(self, versions=(1, 2), blind=False):
        self.lock = threading.Lock()
        self.versions, self.blind = versions, blind
        self.answer, self.refuse = (lambda n: None), (lambda labels: False)
        self.series = defaultdict(list)  # labels -> [(time, bits)]
        self.exemplars, self.histograms, self.metadata = [], [], {}
        self.bounded, self.starts = [], []
        self.wrong, self.requests, self.connections = [], [], set()
        self.repeated = self.out_of_order = 0
        judge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with judge.lock:
                    number = len(judge.requests)
                    judge.connections.add(self.client_address)
                    judge.requests.append({"time": time.time(), "path": self.path, "headers": dict(self.headers), "status": 0})
                    wish = judge.answer(number)
                if isinstance(wish, tuple) and wish[0] == "slow":
                    time.sleep(wish[1])
                    wish = None
                headers = {}
                if isinstance(wish, tuple):
                    wish, headers = wish
                status, said = wish, ""
                if wish is None or wish == "lost-ack":
                    with judge.lock:
                        status, headers, said = judge.judge(self.headers, body)
                with judge.lock:
                    judge.requests[number]["status"] = status
                if wish in ("reset", "lost-ack"):
                    self.close_connection = True
                    self.connection.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: RST
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said.encode())

            def handle(self):
                try:
                    super().handle()
                except (OSError, ValueError):
                    pass

            def finish(self):
                try:
                    super().finish()
                except (OSError, ValueError):
                    pass

            def log_message(self, *_):
                pass

        super().__init__(Handler)
        self.url = f"http://{self.address}/api/v1/write"

    def judge(self, headers, body):
        """-> status, headers, words."""
        kind, version = headers.get("Content-Type"), headers.get("X-Prometheus-Remote-Write-Version")
        try:
            want(headers.get("Content-Encoding") == "snappy", "Content-Encoding")
            want((kind, version) in ((VERSION_1, "0.1.0"), (VERSION_2, "2.0.0")), f"type and version: {kind}, {version}")
            want(headers.get("User-Agent", "").startswith("fleet-agent/"), f"User-Agent: {headers.get('User-Agent')}")
            second = kind == VERSION_2
            if second and 2 not in self.versions:
                return (204, {}, "") if self.blind else (415, {}, "unsupported media type")
            got = decode_2(body) if second else decode_1(body)
        except Wrong as wrong:
            if str(wrong) not in self.wrong:
                self.wrong.append(str(wrong))
            return 400, {}, str(wrong)
        status, said = self.store(got)
        counts = {}
        if second:
            kept = status == 204
            counts = {f"X-Prometheus-Remote-Write-{name}-Written": str(len(items) if kept else 0) for name, items in
                      (("Samples", got.samples), ("Histograms", got.histograms), ("Exemplars", got.exemplars))}
        # Whoever writes nothing of a refused request says so only in 2.0.
        return status, counts, said

    def store(self, got):
        for labels, when, value in got.samples:
            if self.refuse(labels):
                return 400, "refused by the test"
        newest = {}
        fresh = []
        for labels, when, value in got.samples:
            last = newest.get(labels) or (self.series[labels][-1] if self.series[labels] else None)
            if last and (when < last[0] or (when == last[0] and value != last[1])):
                self.out_of_order += 1
                return 400, "out of order sample"
            if last and when == last[0]:
                self.repeated += 1
                continue
            newest[labels] = (when, value)
            fresh.append((labels, when, value))
        for labels, when, value in fresh:
            self.series[labels].append((when, value))
        self.exemplars += got.exemplars
        self.histograms += got.histograms
        self.bounded += got.bounded
        self.starts += got.starts
        for family, *rest in got.metadata:
            self.metadata[family] = tuple(rest)
        return 204, ""

    def find(self, **labels):
        """Labels of the series that carry these; name stands for __name__."""
        wanted = {("__name__" if key == "name" else key, value) for key, value in labels.items()}
        with self.lock:
            return [series for series, samples in self.series.items() if samples and wanted <= set(series)]

    def values(self, **labels):
        """[(time, value, bits)] of the one series that carries these labels; [] when there is none."""
        series = self.find(**labels)
        if len(series) > 1:
            raise AssertionError(f"{labels}: {series}")
        with self.lock:
            rows = list(self.series[series[0]]) if series else []
        return [(when, struct.unpack("<d", struct.pack("<Q", value))[0], value) for when, value in rows]

    def value(self, **labels):
        rows = [row for row in self.values(**labels) if not math.isnan(row[1])]
        return rows[-1][1] if rows else None
