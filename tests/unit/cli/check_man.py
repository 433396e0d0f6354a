#!/usr/bin/python3
"""Holds the man pages against the tables of options: every option of a command is in its page, as it
is spelled, and every option in a page exists. The tables are read from the completion for bash.

usage: check_man.py CAROB DIRECTORY
"""

import os
import re
import subprocess
import sys

HEADING = re.compile(r"^(?:\*-(\w)\*, )?\*--([a-z-]+)\*", re.MULTILINE)


def function(script, name):
    """{command: the words that its arm echoes} of a function that is one `case`."""
    body = re.search(rf"^_carob_{name}\(\)\n{{\n(.*?)^}}", script, re.MULTILINE | re.DOTALL).group(1)
    return {words: text.split() for words, text in re.findall(r"^\t'(.*?)'\) echo '(.*)' ;;$", body,
                                                              re.MULTILINE)}


def page_of(command):
    """Commands of a group share its page."""
    return "carob-" + command.split()[0] if command else "carob"


def main():
    carob, directory = sys.argv[1:]
    script = subprocess.run([carob, "completion", "bash"], check=True, capture_output=True, text=True).stdout
    tables, faults, wanted = function(script, "options"), [], {}
    for command, words in tables.items():
        wanted.setdefault(page_of(command), set()).update(word for word in words if word != "--help")
    for page, options in wanted.items():
        path = os.path.join(directory, page + ".1.scd")
        if not os.path.exists(path):
            faults.append(f"there is no {page}.1.scd")
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found = {f"{dash}{word}" for short, long in HEADING.findall(text)
                 for dash, word in (("-", short), ("--", long)) if word}
        faults += [f"{page}.1.scd: {option} is not described" for option in sorted(options - found)]
        faults += [f"{page}.1.scd: there is no option {option}" for option in sorted(found - options)]
    pages = {name[:-len(".1.scd")] for name in os.listdir(directory)
             if name.startswith("carob") and name.endswith(".1.scd")}
    faults += [f"{page}.1.scd is about no command" for page in sorted(pages - set(wanted))]
    with open(os.path.join(directory, "carob.1.scd"), encoding="utf-8") as file:
        listed = set(re.findall(r"^\*(carob-[a-z-]+)\*\(1\)$", file.read(), re.MULTILINE))
    faults += [f"carob.1.scd does not list {page}" for page in sorted(set(wanted) - listed - {"carob"})]
    if len(tables) < 20:
        faults.append(f"only {len(tables)} commands in the completion: the script was not understood")
    print("\n".join(faults) or f"{len(wanted)} pages, {sum(map(len, wanted.values()))} options")
    sys.exit(1 if faults else 0)


main()
