#!/usr/bin/python3
"""process_roles.py FOLDER ROLE: a process that is as parity_test.py wants it. It says "ready" when it is, does its work for each line "work"
that it reads, says "done", and waits. FOLDER takes what it writes, and makes it known by its command line."""

import ctypes
import mmap
import os
import resource
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
LIBC = ctypes.CDLL(None, use_errno=True)


def call_me(name):
    """The kernel's name of this thread."""
    LIBC.prctl(PR_SET_NAME, name, 0, 0, 0)


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def write_and_fault(folder):
    """1 MiB that reaches the disk, and 400 pages that were not there."""
    with open(os.path.join(folder, f"written-{os.getpid()}"), "wb") as file:
        file.write(b"x" * (1 << 20))
        file.flush()
        os.fsync(file.fileno())
    pages = mmap.mmap(-1, 400 * 4096)
    for page in range(400):
        pages[page * 4096] = 1
    pages.close()


class NamedThread(threading.Thread):
    def __init__(self, name):
        super().__init__(daemon=True)
        self.kernels_name = name
        self.turn, self.done, self.named = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def run(self):
        call_me(self.kernels_name)
        self.named.set()
        while True:
            self.turn.acquire()
            burn(0.2)
            self.done.release()


def child(*argv):
    """A child that no matcher knows."""
    pid = os.fork()
    if pid == 0:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.execv(argv[0], argv)
    return pid


def main():
    folder, role = sys.argv[1:]
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threads = []
    if role == "threads":
        threads = [NamedThread(name) for name in (b"pool one", b"pool one", b"t) S (\n2")]
        for thread in threads:
            thread.start()
            thread.named.wait()
    if role == "parent":
        child("/bin/sleep", "1000")
        child("/bin/sh", "-c", "sleep 1000 & wait")
    if role == "zombie":
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if role == "descriptors":
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    if role == "odd":
        call_me(b"a) S (b\nc\\")
    if role == "somebody":
        os.setuid(65534)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # forgotten with the user
    print("ready", flush=True)
    if role == "busy":
        os.nice(19)
        while True:
            pass
    if role == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    for line in sys.stdin:
        if line.strip() == "work":
            burn(0.2)
            write_and_fault(folder)
            for thread in threads[:2]:
                thread.turn.release()
                thread.done.acquire()
        print("done", flush=True)


main()
