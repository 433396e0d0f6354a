"""What the lints of this directory share: which files there are, C without its
comments and strings, exceptions, and how findings are reported.

A lint is a program of its own. It makes a Lint, reports findings and ends with
lint.finish(). Its exit status: 0 nothing found, 1 findings, 2 the lint could not
work (a tool is missing), which counts as a failure as well: nothing is skipped.
"""

import argparse
import bisect
import os
import re
import shutil
import subprocess
import sys

# Input for the lints' own self-test: wrong on purpose.
SAMPLES = "tests/lint/samples/"

# What meson.build defines for every file.
DEFINES = [
    "-D_GNU_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    '-DCAROB_LIBEXEC="/usr/libexec/carob"',
    '-DCAROB_VERSION="0"',
    "-DMOSAIC_AUDIT_ARCH=AUDIT_ARCH_X86_64",
]

C_TOKEN = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
    re.DOTALL | re.VERBOSE,
)
EXCEPTION = re.compile(r"/\*\s*lint:\s*(\w+) ok\b:?\s*(.*?)\s*\*/", re.DOTALL)


def repository():
    """The top directory of the tree that this file belongs to."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def blank(text):
    """Blanks in place of everything but the line ends: offsets stay the same."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    def replace(match):
        token = match.group()
        return blank(token) if token.startswith("/") else token

    return C_TOKEN.sub(replace, text)


def without_comments_and_strings(text):
    def replace(match):
        token = match.group()
        if token.startswith("/"):
            return blank(token)
        return token[0] + blank(token[1:-1]) + token[-1]

    return C_TOKEN.sub(replace, text)


def closing(text, start):
    """The offset of the bracket that closes the one at `start`; -1: there is none."""
    depth = 0
    for match in re.compile(r"[(){}\[\]]").finditer(text, start):
        depth += 1 if match.group() in "({[" else -1
        if depth == 0:
            return match.start()
    return -1


class CFile:
    """One C file, as it is (`text`) and with offsets kept: `code` has neither
    comments nor what is inside strings, `strings` has no comments."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.code = without_comments_and_strings(text)
        self.strings = without_comments(text)
        self.starts = [0] + [match.end() for match in re.finditer("\n", text)]

    def line(self, offset):
        return bisect.bisect_right(self.starts, offset)

    def line_of_code(self, number):
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.code[self.starts[number - 1] : end]

    def calls(self, names):
        """(name, offset, offset of the bracket, arguments) of each call of one of
        `names`. Members (`ops->open(`) are functions of somebody else."""
        pattern = r"(?<![\w.])(?<!->)(%s)\s*\(" % "|".join(sorted(names))
        for match in re.finditer(pattern, self.code):
            start = match.end() - 1
            end = closing(self.code, start)
            if end >= 0:
                yield match.group(1), match.start(), start, end


class Lint:
    def __init__(self, name, text, arguments=None):
        """`arguments` adds this lint's own options to its parser."""
        self.name = name
        self.findings = []
        self.exceptions = {}
        parser = argparse.ArgumentParser(prog=name, description=text)
        parser.add_argument("--root", default=repository(), help="the tree to read")
        if arguments:
            arguments(parser)
        self.options = parser.parse_args()
        self.root = os.path.abspath(self.options.root)

    # Files

    def files(self):
        """Every file of the tree, new ones too, without what git ignores."""
        command = ["git", "-C", self.root, "ls-files", "-z", "--cached", "--others"]
        try:
            listed = subprocess.run(
                command + ["--exclude-standard"], capture_output=True, check=True
            ).stdout
            paths = os.fsdecode(listed).split("\0")
        except (OSError, subprocess.CalledProcessError):
            paths = self.walk()  # a release has no .git
        return sorted(
            {
                path
                for path in paths
                if path
                and not path.startswith(SAMPLES)
                and os.path.isfile(os.path.join(self.root, path))
            }
        )

    def walk(self):
        for directory, directories, names in os.walk(self.root):
            if directory == self.root:
                directories[:] = [d for d in directories if not d.startswith((".cache", "build"))]
            for name in names:
                yield os.path.relpath(os.path.join(directory, name), self.root)

    def c_files(self, *prefixes):
        return [
            path
            for path in self.files()
            if path.endswith((".c", ".h")) and path.startswith(prefixes or ("",))
        ]

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def read_c(self, path):
        return CFile(path, self.read(path))

    # Tools

    def need(self, tool):
        if not shutil.which(tool):
            self.stop(f"{tool} is not installed: install it, a lint is never skipped")

    def run(self, command, **more):
        return subprocess.run(
            command, cwd=self.root, text=True, errors="replace", capture_output=True, **more
        )

    # Findings

    def report(self, path, line, text):
        self.findings.append((path, line, text))

    def report_unless_excepted(self, file, start, end, rule, text):
        """Reports `text` for code[start:end], unless that statement carries, on its
        lines or alone on the line above, `/* lint: RULE ok: REASON */`."""
        first = file.line(start)
        last = file.line(end)
        if first > 1 and not file.line_of_code(first - 1).strip():
            first -= 1
        table = self.exceptions_of(file, rule)
        for number in range(first, last + 1):
            if number in table:
                table[number] = None
                return
        self.report(file.path, file.line(start), text)

    def exceptions_of(self, file, rule):
        """{line: reason} of the exceptions from `rule`; the reason of a used one
        is replaced by None."""
        key = (file.path, rule)
        if key not in self.exceptions:
            table = self.exceptions[key] = {}
            for match in EXCEPTION.finditer(file.text):
                if match.group(1) != rule:
                    continue
                line = file.line(match.end() - 1)
                if match.group(2):
                    table[line] = match.group(2)
                else:
                    self.report(file.path, line, f"exception from `{rule}` without a reason: "
                                f"write `/* lint: {rule} ok: REASON */`")
        return self.exceptions[key]

    def report_unused_exceptions(self, file, rule):
        for line, reason in self.exceptions_of(file, rule).items():
            if reason is not None:
                self.report(file.path, line, f"this exception from `{rule}` excepts nothing: "
                            "remove it")

    def stop(self, text):
        print(f"{self.name}: {text}")
        sys.exit(2)

    def finish(self):
        for path, line, text in sorted(set(self.findings)):
            print(f"{path}:{line}: {text}")
        sys.exit(1 if self.findings else 0)
