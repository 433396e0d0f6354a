"""Runs a program and ends it with SIGKILL where one of its system calls would begin.

Only the program's own calls are counted; its children run free. They have to end when it does; a daemon that
went into a session of its own has to end by itself.

Where: at the n-th call, or at the n-th that *does* something. Killed before a call that does nothing, or
after it, the program leaves the same: what a process only has in its memory, its descriptors and its locks goes
with it. So the places between two calls that do something are one, and it is tried once, at the latter.
What counts as doing nothing:
- what concerns the process's own memory, signals, limits, clocks (OWN);
- when no other process that it has started lives, what looks at files or opens them as they are, or syncs
  them, which a kill cannot undo (LOOKING); locks, pipes and memory (ASKING); closing what is no device
  and on no file system but the one below and the kernel's own (what else is closed may be taken down then),
  or a loop device of somebody else's;
- when only daemons live, looking and closing, as far as it is on such a file system, which none of them serves.
A process with a file mapped that it shares can do something between any two calls: all of its calls count.
A call that is not in these lists counts.
"""

import collections
import ctypes
import os
import re
import signal
import stat
import time

OWN = set("""arch_prctl brk clock_gettime clock_nanosleep getegid geteuid getgid getpid getppid getrandom gettid getuid
    madvise mprotect mremap munmap prlimit64 rseq rt_sigaction rt_sigprocmask rt_sigreturn set_robust_list set_tid_address
    sysinfo times umask uname""".split())
LOOKING = set("""access faccessat faccessat2 fadvise64 fdatasync fgetxattr flistxattr fstat fstatfs fsync
    getdents64 lseek lstat newfstatat pread64 preadv read readlink readlinkat readv stat statfs statx
    syncfs""".split())
BY_PATH = {"access", "lstat", "open", "readlink", "stat", "statfs"}  # the others begin at a descriptor
ASKING = {"flock", "getcwd", "memfd_create", "pidfd_open", "pipe2", "poll", "ppoll"}
NOBODY, DAEMONS, CHILDREN = 0, 1, 2
AT_FDCWD = 0xffffff9c
OPENS = {"open": 1, "openat": 2}  # where the flags are
CHANGING = os.O_CREAT | os.O_TRUNC | (os.O_TMPFILE & ~os.O_DIRECTORY)
QUESTIONS = {0x4C05, 0x80081272, 0x80086601}  # ioctl: LOOP_GET_STATUS64, BLKGETSIZE64, FS_IOC_GETFLAGS
DESCRIPTOR_ONLY = {0, 1, 2, 3, 1030}  # fcntl: F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC
MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
ORPHAN_SECONDS = 5

TRACEME, CONT, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
SYSGOOD, EXITKILL = 1, 1 << 20
CALL_STOP = signal.SIGTRAP | 0x80
CHILD_SUBREAPER = 36
NR_AT = 24  # of struct ptrace_syscall_info: entry.nr

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=None, data=None):
    if libc.ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def adopt_orphans():
    """The children of what is killed become this process's, which can wait for their end then."""
    if libc.prctl(CHILD_SUBREAPER, 1, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl")


def call_names():
    path = "/usr/include/asm-generic/unistd.h"
    if os.uname().machine == "x86_64":
        path = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    try:
        with open(path, encoding="utf-8") as file:
            return {int(n): name for name, n in re.findall(r"#define __NR_(\w+)\s+(\d+)", file.read())}
    except FileNotFoundError:
        return {}


def call_info(pid):
    """The call's number and its arguments."""
    room = ctypes.create_string_buffer(88)
    ptrace(GET_SYSCALL_INFO, pid, len(room), ctypes.addressof(room))
    words = [int.from_bytes(room.raw[at:at + 8], "little") for at in range(NR_AT, NR_AT + 56, 8)]
    return words[0], words[1:]


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += file.read().split()
    return found


def is_of_session(pid):
    try:
        return os.getsid(pid) == os.getsid(0)
    except ProcessLookupError:
        return False


class Judge:
    """Which calls of a program do something; see above."""

    names = {}

    def __init__(self, pid, below):
        self.pid, self.below, self.shares = pid, below, False
        self.devices = {os.stat(path).st_dev for path in (below, "/proc", "/sys", "/dev/null")}
        Judge.names = Judge.names or call_names()

    def company(self):
        """Who lives that it has started, or that one before it has."""
        if children(self.pid) or len(os.listdir(f"/proc/{self.pid}/task")) > 1:
            return CHILDREN
        others = [int(pid) for pid in children(os.getpid()) if pid != str(self.pid)]
        return CHILDREN if any(is_of_session(pid) for pid in others) else DAEMONS if others else NOBODY

    def maps_own(self, flags, fd):
        if flags & MAP_SHARED and not flags & MAP_ANONYMOUS and fd < 1 << 31:
            self.shares = True
        return not self.shares

    def is_plain(self, fd):
        try:
            st = os.stat(f"/proc/{self.pid}/fd/{fd & 0xffffffff}")
        except OSError:
            return False
        return st.st_dev in self.devices and not stat.S_ISBLK(st.st_mode) and not stat.S_ISFIFO(st.st_mode)

    def is_of_others(self, fd):
        """A loop device that has no file of ours: somebody looks for his."""
        try:
            st = os.stat(f"/proc/{self.pid}/fd/{fd & 0xffffffff}")
            with open(f"/sys/dev/block/{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}/loop/backing_file",
                      encoding="utf-8", errors="replace") as file:
                path = file.read().rstrip("\n")
            return stat.S_ISBLK(st.st_mode) and not path.startswith(self.below) and os.path.isfile(path)
        except OSError:
            return False

    def is_pipe(self, fd):
        try:
            return stat.S_ISFIFO(os.stat(f"/proc/{self.pid}/fd/{fd & 0xffffffff}").st_mode)
        except OSError:
            return False

    def opens_what_is_there(self, name, args):
        if name in OPENS:
            return not args[OPENS[name]] & CHANGING
        with open(f"/proc/{self.pid}/mem", "rb") as memory:  # openat2: struct open_how
            memory.seek(args[2])
            return not int.from_bytes(memory.read(8), "little") & CHANGING

    def looks(self, name, args):
        if name in OPENS or name == "openat2":
            return self.opens_what_is_there(name, args)
        if name == "ioctl":
            return args[1] & 0xffffffff in QUESTIONS
        return name in LOOKING or name == "fcntl" and args[1] in DESCRIPTOR_ONLY

    def does_something(self, number, args):
        name = self.names.get(number)
        if self.shares or name == "close" and self.is_of_others(args[0]):
            return self.shares
        if name == "mmap":
            return not self.maps_own(args[3], args[4])
        if name in OWN:
            return False
        looks, closes = self.looks(name, args), name == "close"
        if not looks and not closes and name not in ASKING:
            return True
        company = self.company()
        if company == NOBODY:
            return closes and not self.is_plain(args[0]) and not self.is_pipe(args[0])
        at_path = name in BY_PATH or args[0] & 0xffffffff == AT_FDCWD
        return company == CHILDREN or name in ASKING or not (looks and at_path or self.is_plain(args[0]))


def begin(argv):
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            ptrace(TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.execv(argv[0], argv)
        finally:
            os._exit(127)
    os.waitpid(pid, 0)
    ptrace(SETOPTIONS, pid, None, SYSGOOD | EXITKILL)
    ptrace(CONT, pid)
    _, status = os.waitpid(pid, 0)  # the trap of execve
    if not os.WIFSTOPPED(status) or os.WSTOPSIG(status) != signal.SIGTRAP:
        raise OSError(0, f"{argv[0]} cannot be traced: status {status}")
    return pid


def names_of_group(pid):
    """The processes that are left of a process group, "NUMBER NAME"."""
    found = []
    for one in children(os.getpid()):
        try:
            with open(f"/proc/{one}/stat", encoding="utf-8", errors="replace") as file:
                words = file.read()
        except OSError:
            continue
        if words[words.rindex(")"):].split()[3 - 1] == str(pid):
            found.append(f"{one} {words[words.index('(') + 1:words.rindex(')')]}")
    return found


def wait_for_group(pid):
    """Until nothing is left of the program's process group. Those of its children that outlive it by long, which
    they must not, are returned, and killed."""
    end = time.monotonic() + ORPHAN_SECONDS
    try:
        while os.waitpid(-pid, os.WNOHANG)[0] or time.monotonic() < end:
            time.sleep(0.0005)
        orphans = names_of_group(pid)
        os.killpg(pid, signal.SIGKILL)
        while True:
            os.waitpid(-pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
    return orphans if time.monotonic() >= end else []


def stop_children(pid):
    """So that none comes to its end by doing its work. Servers of ploop are left: they are to go on."""
    for child in children(pid):
        try:
            with open(f"/proc/{child}/comm", encoding="utf-8") as file:
                if file.read().strip() != "mosaic-ploop":
                    os.kill(int(child), signal.SIGSTOP)
        except OSError:
            pass


class Outcome:
    """How a run ended: its exit code; how many calls it made; the points that it came by, each a name and how
    many of that name there had been; the one that it died at, or None when it came to its end; which
    children of it lived on."""

    def __init__(self):
        self.code, self.calls, self.points, self.died_at, self.orphans = None, 0, [], None, []


def run(argv, below, kill_at=None, every=False):
    """Kills it at that point, before the call. every: all calls are points, not only those that do something.
    below: the directory that it works in. A point is called so, and not by its number, because a program that waits
    for something makes more calls or fewer, but not more that rename."""
    pid, entering, deliver, outcome, seen = begin(argv), False, 0, Outcome(), collections.Counter()
    judge = Judge(pid, below)
    while True:
        ptrace(SYSCALL, pid, None, deliver)
        _, status = os.waitpid(pid, 0)
        deliver = 0
        if not os.WIFSTOPPED(status):
            outcome.code = os.waitstatus_to_exitcode(status)
            break
        if os.WSTOPSIG(status) != CALL_STOP:
            deliver = os.WSTOPSIG(status)
            continue
        entering = not entering
        if not entering:
            continue
        number, args = call_info(pid)
        outcome.calls += 1
        if not judge.does_something(number, args) and not every:
            continue
        name = judge.names.get(number, str(number))
        seen[name] += 1
        outcome.points.append((name, seen[name]))
        if outcome.points[-1] == kill_at:
            outcome.code, outcome.died_at = -signal.SIGKILL, kill_at
            stop_children(pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
    outcome.orphans = wait_for_group(pid)
    return outcome
