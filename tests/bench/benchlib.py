"""What the benchmarks share: a file system of their own, Carob's programs in one directory,
an image, and a runner that starts a program and measures it.

A benchmark never works on the file system it lies on: ext4 looks for free inodes the longer, the
more files were removed lately, so old churn would be measured. It gets a fresh ext4 in a
loop device instead, mounted in a mount namespace of its own; the image file has no name any more and
the mount is nowhere else, so that the kernel takes both away whatever becomes of the benchmark.
"""

import ctypes
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLONE_NEWNS = 0x00020000
MNT_DETACH = 2
PROGRAMS = ["carob-stage1", "carob-pod-init", "carob-stage3", "carob-unpack", "carob-pack"]
CONTROLLERS = {"cpu", "cpuacct", "memory", "pids", "devices", "freezer", "blkio"}
IMAGE = "example.com/bench"

libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """Ends the benchmark with one line."""


def call(function, *arguments):
    if getattr(libc, function)(*arguments) < 0:
        raise Failure(f"{function}: {os.strerror(ctypes.get_errno())}")


def run(*argv, **options):
    """Runs a program that has to succeed; returns what it wrote."""
    result = subprocess.run(argv, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)
    if result.returncode != 0:
        raise Failure(f"{' '.join(argv)}: exit {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def set_signals(action):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, action)


def main(function):
    """Calls function; its failures become one line, a signal its clean end."""
    def end(number, _):
        set_signals(signal.SIG_IGN)  # a second one must not end the cleaning up
        sys.exit(128 + number)

    set_signals(end)
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]}: needs root")
    try:
        sys.exit(function())
    except Failure as failure:
        sys.exit(f"{sys.argv[0]}: {failure}")


def mount_new(path, mebibytes):
    """A new ext4 there, complete (nothing is left for the kernel to initialise), in a loop device that goes
    with it. Like a disk it does not keep in memory what is written to it, where what is below can do that."""
    with tempfile.NamedTemporaryFile(prefix="carob-bench.") as image:
        os.truncate(image.name, mebibytes << 20)
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image.name)
        device = run("losetup", "--show", "-f", image.name).strip()
        try:
            subprocess.run(["losetup", "--direct-io=on", device], stderr=subprocess.DEVNULL, check=False)
            run("mount", device, path)
        finally:
            run("losetup", "-d", device)  # with its last user


class Workplace:
    """The directory of a benchmark, on its own file system; a context manager."""

    def __init__(self, mebibytes=512):
        self.mebibytes = mebibytes

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="carob-bench.")
        try:
            call("unshare", CLONE_NEWNS)
            run("mount", "--make-rprivate", "/")
            mount_new(self.path, self.mebibytes)
            os.mkdir(self / "run")  # where /run would be: on a tmpfs, for all runtimes
            run("mount", "-t", "tmpfs", "tmpfs", self / "run")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        libc.umount2(self.path.encode(), MNT_DETACH)
        os.rmdir(self.path)

    def __truediv__(self, name):
        return os.path.join(self.path, name)


def find_program(builddir, name):
    """The program name, wherever it lies in the build directory."""
    for directory, _, files in os.walk(builddir):
        if name in files and os.access(os.path.join(directory, name), os.X_OK):
            return os.path.join(directory, name)
    raise Failure(f"{builddir} has no {name}: build it first (meson compile -C {builddir})")


class Carob:
    """The carob of a build directory, with state of its own below a workplace."""

    def __init__(self, place, builddir, path):
        self.path = path or os.path.join(builddir, "cli", "carob")
        if not os.access(self.path, os.X_OK):
            raise Failure(f"there is no {self.path}")
        self.root = place / "carob"
        libexec = place / "libexec"
        os.mkdir(libexec)
        for name in PROGRAMS:
            os.symlink(find_program(builddir, name), os.path.join(libexec, name))
        self.environment = {
            "PATH": os.defpath,
            "CAROB_ROOT": self.root,
            "CAROB_RUNROOT": place / "run/carob",
            "CAROB_LIBEXEC": libexec,
        }

    def __call__(self, *arguments):
        return run(self.path, *arguments, env=self.environment)

    def import_image(self, place, rootfs, argv):
        """Puts rootfs into the store as IMAGE, which runs argv."""
        directory = place / "aci"
        os.mkdir(directory)
        manifest = {
            "acKind": "ImageManifest", "acVersion": "0.8.11", "name": IMAGE,
            "labels": [{"name": "os", "value": "linux"}],
            "app": {"exec": argv, "user": "0", "group": "0"},
        }
        with open(os.path.join(directory, "manifest"), "w", encoding="utf-8") as file:
            json.dump(manifest, file)
        shutil.copytree(rootfs, os.path.join(directory, "rootfs"), symlinks=True)
        self("image", "import", directory)

    def filter(self):
        """The seccomp filter that a start has left in the cache."""
        directory = os.path.join(self.root, "cache", "seccomp")
        names = os.listdir(directory) if os.path.isdir(directory) else []
        if len(names) != 1:
            raise Failure(f"{directory}: one filter expected, there are {len(names)}")
        return os.path.join(directory, names[0])


def make_rootfs(place, builddir):
    """The smallest tree that can be looked around in: true and busybox, both static."""
    rootfs = place / "rootfs"
    for name in ("bin", "dev", "proc", "sys", "etc", "tmp"):
        os.makedirs(os.path.join(rootfs, name))
    shutil.copy(find_program(builddir, "bench-true"), os.path.join(rootfs, "bin/true"))
    busybox = shutil.which("busybox")
    if not busybox:
        raise Failure("busybox is missing: apt-get install busybox-static")
    shutil.copy(busybox, os.path.join(rootfs, "bin/busybox"))
    os.symlink("busybox", os.path.join(rootfs, "bin/sleep"))
    return rootfs


def hierarchies():
    """(kind, directory) of each cgroup hierarchy that Carob uses; kind v1, pids, devices or v2."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        lines = file.readlines()
        # what v2 does without a controller needs no hierarchy of v1's (lib/kernel/cgroup_host.c)
        hybrid = any(" - cgroup2 " in line for line in lines)
        controllers = CONTROLLERS - {"blkio"} - ({"cpuacct", "freezer"} if hybrid else set())
        for line in lines:
            before, after = line.split(" - ", 1)
            directory, fstype = before.split()[4], after.split()[0]
            names = set(after.split()[2].split(",")) & controllers
            if fstype == "cgroup2":
                found.append(("v2", directory))
            elif fstype == "cgroup" and names:
                special = names & {"pids", "devices"}
                found.append((special.pop() if special else "v1", directory))
    return found


def remove_groups(name):
    """Removes the groups name/* and name from every hierarchy, also from those that only others use
    (cpuset, systemd's), and ends what an interrupted benchmark has left in them."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        tops = [os.path.join(line.split()[4], name) for line in file if " - cgroup" in line]
    for top in tops:
        for path, _, _ in os.walk(top, topdown=False):
            remove_group(path)


def remove_group(path):
    for _ in range(50):
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise Failure(f"cgroup {path} is left: {error.strerror}") from error
        with open(os.path.join(path, "cgroup.procs"), encoding="utf-8") as file:
            for pid in map(int, file):
                if pid:
                    kill(pid)
        time.sleep(0.1)
    raise Failure(f"cgroup {path} is left: somebody is in it")


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Runner:
    """A process that starts programs and measures them, in a view of the host without some mounts.

    Every program is started by such a process, so that all are started by the same."""

    def __init__(self, place, hidden=()):
        self.errors = place / f"errors.{len(hidden)}"
        ours, theirs = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ours[1])
            os.close(theirs[0])
            os._exit(self.serve(os.fdopen(ours[0]), os.fdopen(theirs[1], "w"), hidden))
        os.close(ours[0])
        os.close(theirs[1])
        self.requests, self.replies = os.fdopen(ours[1], "w"), os.fdopen(theirs[0])

    def hang_up(self):
        self.requests.close()
        self.replies.close()

    def wait(self):
        os.waitpid(self.pid, 0)

    def serve(self, requests, replies, hidden):
        set_signals(signal.SIG_DFL)
        call("unshare", CLONE_NEWNS)
        for path in hidden:
            call("umount2", path.encode(), MNT_DETACH)
        for line in requests:
            json.dump(self.measure(**json.loads(line)), replies)
            replies.write("\n")
            replies.flush()
        return 0

    def measure(self, argv, environment):
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, self.errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        begin = time.perf_counter_ns()
        pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter_ns() - begin
        return {
            "exit": os.waitstatus_to_exitcode(status),
            "wall_ms": wall / 1e6,
            "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3,
            "faults": usage.ru_minflt + usage.ru_majflt,
        }

    def start(self, argv, environment):
        """Starts argv, waits for its end; its time and what it and its children used."""
        json.dump({"argv": argv, "environment": environment}, self.requests)
        self.requests.write("\n")
        self.requests.flush()
        line = self.replies.readline()
        result = json.loads(line) if line else {"exit": "none: the runner died"}
        if result["exit"] != 0:
            with open(self.errors, encoding="utf-8", errors="replace") as file:
                raise Failure(f"{' '.join(argv)}: exit {result['exit']}: {file.read().strip()}")
        return result

    def count(self, argv, environment, report):
        """How many system calls, and how many programs executed, argv and its children make."""
        strace = shutil.which("strace")
        if not strace:
            raise Failure("strace is missing: apt-get install strace")
        self.start([strace, "-f", "-c", "-U", "calls,errors,name", "-o", report, *argv], environment)
        calls = execs = 0
        with open(report, encoding="utf-8") as file:
            for line in file:
                row = re.fullmatch(r"\s*(\d+)(?:\s+(\d+))?\s+(\w+)\s*", line)
                if not row or row[3] == "total":
                    continue
                calls += int(row[1])
                if row[3] in ("execve", "execveat"):
                    execs += int(row[1]) - int(row[2] or 0)
        return calls, execs
