"""Runs a program and ends it with SIGKILL where its n-th system call would begin.

Only the program's own calls are counted; its children run free, and are killed with it. A daemon that went
into a session of its own stays: it has to end by itself.
"""

import ctypes
import os
import re
import signal

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


def call_number(pid):
    room = ctypes.create_string_buffer(88)
    ptrace(GET_SYSCALL_INFO, pid, len(room), ctypes.addressof(room))
    return int.from_bytes(room.raw[NR_AT:NR_AT + 8], "little")


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


def end_group(pid):
    """Kills what is left of the program's process group, and waits until it is gone."""
    try:
        os.killpg(pid, signal.SIGKILL)
        while True:
            os.waitpid(-pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def run(argv, kill_at=0):
    """(exit code, number of calls, number of the call that it died at, or None). kill_at 0: runs to its end."""
    pid, calls, entering, deliver = begin(argv), 0, False, 0
    while True:
        ptrace(SYSCALL, pid, None, deliver)
        _, status = os.waitpid(pid, 0)
        deliver = 0
        if not os.WIFSTOPPED(status):
            end_group(pid)
            return os.waitstatus_to_exitcode(status), calls, None
        if os.WSTOPSIG(status) != CALL_STOP:
            deliver = os.WSTOPSIG(status)
            continue
        entering = not entering
        calls += entering
        if entering and calls == kill_at:
            number = call_number(pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            end_group(pid)
            return -signal.SIGKILL, calls, number
