#!/usr/bin/env python3
"""terminal.py [STEP]... -- COMMAND...: runs COMMAND on a terminal of its own and plays the person.

Steps, in order: wait=TEXT until the output has TEXT (behind what earlier steps waited for), send=TEXT
types it (\\n, \\x03 and the like as in Python), size=ROWSxCOLUMNS changes the window, signal=N signals the
command, sleep=SECONDS.  Prints all output; the last line says whether the terminal's settings are
what they were. Exits with the command's code, or 99 when a step took more than 20 seconds."""
import fcntl, os, pty, select, signal, struct, sys, termios, time


def set_size(fd, text):
    rows, columns = map(int, text.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def start(command, slave):
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in 0, 1, 2:
        os.dup2(slave, fd)
    os.closerange(3, 256)
    os.execvp(command[0], command)


class Player:
    def __init__(self, command):
        self.master, self.slave = pty.openpty()
        set_size(self.master, "24x80")
        self.before = termios.tcgetattr(self.slave)
        self.seen, self.at = b"", 0
        self.pid = start(command, self.slave)

    def read(self, seconds):
        """False when nothing came in that time."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.seen += os.read(self.master, 65536)
        return True

    def ended(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            while self.read(0.05):
                pass
            self.status = status
        return bool(pid)

    def wait(self, text):
        text, end = text.encode(), time.monotonic() + 20
        while text not in self.seen[self.at:]:
            self.read(0.05)
            if time.monotonic() > end:
                self.finish(99, f"no {text!r} came")
        self.at = self.seen.index(text, self.at) + len(text)

    def step(self, kind, text):
        if kind == "wait":
            self.wait(text)
        elif kind == "send":
            os.write(self.master, text.encode().decode("unicode_escape").encode("latin-1"))
        elif kind == "size":
            set_size(self.master, text)
        elif kind == "signal":
            os.kill(self.pid, int(text))
        elif kind == "sleep":
            time.sleep(float(text))
        else:
            sys.exit(__doc__)

    def run(self, steps):
        for step in steps:
            self.step(*step.split("=", 1))
        end = time.monotonic() + 20
        while not self.ended():
            self.read(0.05)
            if time.monotonic() > end:
                self.finish(99, "the command does not end")
        self.finish(os.waitstatus_to_exitcode(self.status) % 256)

    def finish(self, code, complaint=None):
        text = self.seen.decode(errors="replace").replace("\r\n", "\n")
        sys.stdout.write(text if not text or text.endswith("\n") else text + "\n")
        if complaint:
            os.kill(self.pid, signal.SIGKILL)
            print("terminal.py:", complaint)
        # the size is not among the settings
        print("restored" if termios.tcgetattr(self.slave) == self.before else "changed")
        sys.exit(code)


if __name__ == "__main__":
    divide = sys.argv.index("--")
    Player(sys.argv[divide + 1:]).run(sys.argv[1:divide])
