"""Immortals as real processes: a coordinator and a service for each member, with the defaults that are shipped."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from tally import Tally

START_LIMIT_S = 60


class BenchError(Exception):
    """A measurement that cannot count; the text says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, limit_s, what, alive=lambda: None):
    """Polls until `condition()` is true; `alive()` raises when waiting has become senseless."""
    end = time.monotonic() + limit_s
    while not condition():
        alive()
        if time.monotonic() > end:
            raise BenchError(f"{what} did not happen within {limit_s} s")
        time.sleep(0.005)


class Immortal:
    """One coordinator and its service: an immortal, or a member of one. `place` is a directory of its own on the disk that
    is measured; the log is in it, or in that of the first member."""

    def __init__(self, binaries, place, name, port, peers, service, options=(), log_place=None):
        self.binaries, self.place, self.name, self.port = binaries, place, name, port
        self.peers, self.service_arguments, self.options = peers, list(service), list(options)
        self.sidecar = self.service = self.tally = None
        self.command, self.environment = [], {}  # what the coordinator is started by and with
        self.log_dir, self.http_port = f"{log_place or place}/log", 0
        os.makedirs(place)
        os.makedirs(self.log_dir, exist_ok=True)

    def _start(self, what, arguments, environment=None):
        with open(f"{self.place}/{what}.log", "ab") as log:
            return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    env={**os.environ, **(environment or {})}, start_new_session=False)

    def start(self):
        if self.tally is not None:
            self.tally.close()
        self.tally = Tally(f"{self.place}/tally")
        link = f"{self.place}/s.sock"
        self.sidecar = self._start("sidecar", [
            *self.command, f"{self.binaries}/semper-sidecar", "--name", self.name, "--cluster", "bench", "--genesis", "create",
            "--log-dir", self.log_dir, "--service-socket", link, "--peer-listen", f"127.0.0.1:{self.port}",
            "--admin-http", f"127.0.0.1:{self.http_port}" if self.http_port else "",
            "--admin-socket", f"{self.place}/admin.sock" if self.http_port else "", "--log-level", "warning", "--exit-on-refusal",
            *[part for name, ports in self.peers.items() for port in ports
              for part in ("--peer", f"{name}=127.0.0.1:{port}")],
            *self.options], self.environment)
        self.service = self._start("service", [f"{self.binaries}/bench_flow", "--tally", self.tally.path,
                                               *self.service_arguments], {"SEMPER_LINK": f"unix:{link}"})

    def wait_live(self):
        wait_until(lambda: self.tally.read()["live"] == 1, START_LIMIT_S, f"{self.name} going live", self.check)

    def ask(self, path):
        """What the coordinator answers on its probe port: code and text. Needs `http_port`."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError as problem:
            return 0, str(problem)

    def role(self):
        """ "leading", "following", …; empty if it is not ready."""
        code, text = self.ask("/readyz")
        return text.split(None, 1)[0].rstrip(":\n") if code == 200 else ""

    def check(self):
        """Raises if something that was measured is not what it should be."""
        if self.tally.read()["violations"] != 0:
            raise BenchError(f"{self.name} received a message that was not sent: {self.logs()}")
        for what, process in (("sidecar", self.sidecar), ("service", self.service)):
            if process.poll() is not None:
                raise BenchError(f"the {what} of {self.name} ended with {process.returncode}: {self.logs()}")

    def logs(self):
        text = ""
        for what in ("sidecar", "service"):
            with open(f"{self.place}/{what}.log", encoding="utf-8", errors="replace") as log:
                text += "".join(f"\n  {what}: {line.rstrip()}" for line in log.readlines()[-8:])
        return text or "no log lines"

    def kill(self):
        """SIGKILL, as a crash would be. The service's parent takes its child with it."""
        for process in (self.service, self.sidecar):
            if process is not None and process.poll() is None:
                process.kill()
        for process in (self.service, self.sidecar):
            if process is not None:
                process.wait()
        self.sidecar = self.service = None


class Pair:
    """bench/a and bench/b, which know each other's address. A context manager: leaves nothing behind. With `standbys`, b
    has so many further members, which whoever measures starts; then, or if `administered`, it answers probes and semperctl.
    `others` are further immortals that do as a does, for whoever measures to start."""

    def __init__(self, binaries, disk, service_a, service_b, options=(), standbys=0, standby_options=(),
                 administered=False, others=0):
        self.place = tempfile.mkdtemp(prefix="semper-bench-", dir=disk)
        port_a, ports_b = free_port(), [free_port() for _ in range(1 + standbys)]
        self.a = Immortal(binaries, f"{self.place}/a", "bench/a", port_a, {"bench/b": ports_b},
                          [*service_a, "--to", "bench/b"], options)
        self.others = [Immortal(binaries, f"{self.place}/c{i}", f"bench/c{i}", free_port(), {"bench/b": ports_b},
                                [*service_a, "--to", "bench/b"], options) for i in range(others)]
        self.members = []
        for i, port in enumerate(ports_b):
            fellows = ["--member", f"b{i}", *[part for p in ports_b for part in ("--members", f"127.0.0.1:{p}")]]
            self.members.append(Immortal(
                binaries, f"{self.place}/b{i}", "bench/b", port, {"bench/a": [port_a]}, [*service_b, "--to", "bench/a"],
                [*options, *(fellows if standbys else []), *(standby_options if i else [])], f"{self.place}/b0"))
            self.members[i].http_port = free_port() if standbys or administered else 0
        self.b, self.standbys = self.members[0], self.members[1:]

    def __enter__(self):
        try:
            self.b.start()
            self.b.wait_live()
            self.a.start()
            self.a.wait_live()
        except BaseException:
            self.__exit__()
            raise
        return self

    def check(self):
        for one in (self.a, *self.others, *self.members):
            if one.sidecar is not None:
                one.check()

    def __exit__(self, *_):
        for one in (self.a, *self.others, *self.members):
            one.kill()
        shutil.rmtree(self.place, ignore_errors=True)


def private_kib(pid):
    """Private memory of a process, as the kernel accounts for it."""
    total = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1])
    return total


def cpu_seconds(pid, children=False):
    """Of a process, and of those that it started and that are there."""
    if children:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return cpu_seconds(pid) + sum(cpu_seconds(child, True) for child in file.read().split())
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
