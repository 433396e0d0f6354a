#!/usr/bin/python3
"""Holds moctl's man page against its help: every command has a heading with its synopsis, every option of
a command is described under it as it is spelled, every option described exists, and the exit codes are
those of the header.

usage: check_moctl_man.py MOCTL PAGE HEADER
"""

import re
import subprocess
import sys

OPTION = re.compile(r"^(?:\*-(\w)\*, )?\*--([a-z-]+)\*(?: (.*))?$", re.MULTILINE)
HELP = re.compile(r"^  (?:-(\w),|   ) --([a-z-]+)(?: (\S.*?))?(?:  |$)", re.MULTILINE)
VERB = re.compile(r"^  ([a-z-]+)  ", re.MULTILINE)
CODE = re.compile(r"MOCTL_[A-Z_]+ = (?:CLI_[A-Z]+|(\d+))")


def options(pattern, text):
    return {(short, long) for short, long, _ in pattern.findall(text)}


def main():
    moctl, page, header = sys.argv[1:]
    faults = []

    def ask(*words):
        return subprocess.run([moctl, "help", *words], check=True, capture_output=True, text=True).stdout

    with open(page, encoding="utf-8") as file:
        text = file.read()
    with open(header, encoding="utf-8") as file:
        codes = CODE.findall(file.read())
    sections = {}
    for match in re.finditer(r"^## (moctl .*?)\n\n(.*?)(?=^##? |\Z)", text, re.MULTILINE | re.DOTALL):
        for synopsis in match.group(1).split("++\n"):
            words = [word for word in synopsis.split()[1:] if word != "MOSAIC"]
            sections[words[0]] = sections.get(words[0], "") + match.group(2)
    overview = ask()
    verbs = VERB.findall(overview)
    for verb in verbs:
        help_text = ask(verb)
        if "Commands:" in help_text:
            help_text += "".join(ask(verb, word) for word in VERB.findall(help_text))
        if verb not in sections:
            faults.append(f"{verb} has no heading")
            continue
        wanted, found = options(HELP, help_text), options(OPTION, sections[verb])
        faults += [f"{verb}: --{long} is not described, or without its letter" for _, long in sorted(wanted - found)]
        faults += [f"{verb}: there is no --{long}, or not with this letter" for _, long in sorted(found - wanted)]
    faults += [f"{verb} is no command" for verb in sections if verb not in verbs]
    before = re.search(r"^# OPTIONS\n(.*?)^# ", text, re.MULTILINE | re.DOTALL).group(1)
    if options(OPTION, before) != options(HELP, overview):
        faults.append("the options before the mosaic are others")
    exits = re.search(r"^# EXIT STATUS\n(.*?)^# ", text, re.MULTILINE | re.DOTALL).group(1)
    if len(re.findall(r"^\*\d\*$", exits, re.MULTILINE)) != len(codes):
        faults.append(f"the header has {len(codes)} exit codes")
    if len(verbs) < 20:
        faults.append(f"only {len(verbs)} commands in the help: it was not understood")
    print("\n".join(faults) or f"{len(verbs)} commands, {len(sections)} headings, {len(codes)} exit codes")
    sys.exit(1 if faults else 0)


main()
