#!/usr/bin/env python3
"""Starts carob-fetch as carob does and shows what it reports, a record a line of JSON.

    fetch-driver.py [OPTION]... PROGRAM [NAME=VALUE]...     the members of its job

    --file FILE             descriptor 3 (made when it is not there; the default is a temporary one)
    --ca, --cert, --key     descriptors 5, 6, 7
    --raw TEXT              the job, byte for byte
    --under COMMAND         started through this, e.g. "strace -o FILE"
    --pid-file FILE         gets the number of the process
    --no-report             nobody listens to the report

The exit status is the program's, 128 + N after a signal.
"""
import argparse, fcntl, json, os, shlex, struct, sys, tempfile

KINDS = ["", "status", "header", "start", "total", "progress", "body", "done", "failure"]
FAILURES = ["", "failed", "again", "too-large", "local"]
RECORD = struct.Struct("=IIQ")


def child(options, descriptors):
    """descriptors: number -> ours. Never returns."""
    os.environ.clear()
    os.environ["PATH"] = "/usr/bin:/bin"
    moved = {to: fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for to, fd in descriptors.items() if fd is not None}
    for to, fd in moved.items():
        os.dup2(fd, to, inheritable=True)
    for fd in range(3, 64):
        if fd not in moved:
            try:
                os.close(fd)
            except OSError:
                pass
    command = shlex.split(options.under or "") + [options.program]
    os.execvp(command[0], command)


def read_exactly(file, size):
    data = file.read(size)
    if len(data) != size and data:
        raise SystemExit(f"a record is cut off: {len(data)} of {size} bytes")
    return data


def show(report):
    while header := read_exactly(report, RECORD.size):
        kind, length, value = RECORD.unpack(header)
        text = read_exactly(report, length).decode("utf-8", "replace") if length else ""
        name = KINDS[kind] if kind < len(KINDS) else str(kind)
        record = {"kind": name, "value": FAILURES[value] if name == "failure" else value}
        if text:
            record["text"] = text
        print(json.dumps(record), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("members", nargs="*")
    for name in ("file", "ca", "cert", "key", "raw", "under", "pid-file"):
        parser.add_argument("--" + name)
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    job = options.raw if options.raw is not None else "".join(member + "\0" for member in options.members)

    job_read, job_write = os.pipe()
    report_read, report_write = os.pipe()
    temporary = tempfile.TemporaryFile()
    body = os.open(options.file, os.O_RDWR | os.O_CREAT, 0o600) if options.file else temporary.fileno()
    given = [os.open(path, os.O_RDONLY) if path else None for path in (options.ca, options.cert, options.key)]
    pid = os.fork()
    if pid == 0:
        child(options, {0: job_read, 3: body, 4: report_write, 5: given[0], 6: given[1], 7: given[2]})
    os.close(job_read)
    os.close(report_write)
    if options.pid_file:
        with open(options.pid_file + ".new", "w", encoding="ascii") as file:
            file.write(f"{pid}\n")
        os.rename(options.pid_file + ".new", options.pid_file)
    if options.no_report:
        os.close(report_read)
    try:
        os.write(job_write, job.encode("utf-8", "surrogateescape"))
    except BrokenPipeError:
        pass
    os.close(job_write)
    if not options.no_report:
        with os.fdopen(report_read, "rb") as report:
            show(report)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)


main()
