#!/usr/bin/env python3
"""A proxy before a Docker socket that lets reading requests through and nothing else, as socket proxies in the wild do
with CONTAINERS, EVENTS and INFO: docker_proxy.py [--listen ADDRESS:PORT] SOCKET LOG [CERTIFICATE KEY]

Listens on a port of 127.0.0.1 unless it is told another, with TLS when it has a certificate, and prints the port. A line of LOG per request:
"METHOD TARGET allowed|denied". Ends with its standard input.
"""
import re
import socket
import ssl
import sys
import threading

ALLOWED = re.compile(r"^(/v[0-9.]+)?/(containers|events|info|version|_ping)(/|\?|$)")


def head_of(client):
    data = b""
    while b"\r\n\r\n" not in data and len(data) < 65536:
        more = client.recv(65536)
        if not more:
            return None
        data += more
    return data


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, path, log, context):
    try:
        if context:
            client = context.wrap_socket(client, server_side=True)
        head = head_of(client)
        if head is None:
            return
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        allowed = method == "GET" and ALLOWED.match(target) is not None
        log.write(f"{method} {target} {'allowed' if allowed else 'denied'}\n")
        log.flush()
        if not allowed:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        daemon = socket.socket(socket.AF_UNIX)
        daemon.connect(path)
        # One request a connection, so that each is looked at.
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        lines.insert(1, b"Connection: close")
        daemon.sendall(b"\r\n".join(lines))
        threading.Thread(target=pump, args=(client, daemon), daemon=True).start()
        pump(daemon, client)
    except OSError:
        pass
    finally:
        client.close()


def main():
    words, place = sys.argv[1:], ("127.0.0.1", 0)
    if words[0] == "--listen":
        address, _, port = words[1].rpartition(":")
        words, place = words[2:], (address, int(port))
    path, log_path, *pair = words
    context = None
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
    log = open(log_path, "w", encoding="utf-8")
    listener = socket.create_server(place)
    print(listener.getsockname()[1], flush=True)

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, path, log, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
