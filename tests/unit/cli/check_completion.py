#!/usr/bin/python3
"""Completes command lines of carob and moctl in real shells, with a pod, its name and a mosaic on disk; and
holds what is offered for every command against its help.

usage: check_completion.py PROGRAM SHELL
"""

import json
import os
import re
import subprocess
import sys
import tempfile

UUID = "abcd1234-0000-4000-8000-000000000001"

POD = {
    "acKind": "PodManifest",
    "acVersion": "0.8.11",
    "apps": [{
        "name": "one",
        "image": {"id": "sha512-" + 8 * "0123456789abcdef", "name": "example.com/one"},
        "app": {"exec": ["/bin/one"], "user": "0", "group": "0"},
    }],
    "carob": {
        "version": 1, "name": "webserver", "hostname": "h", "mosaic": "/m",
        "created": "2026-11-22T12:00:00Z", "detached": False, "keep": True, "stopGrace": 10,
        "ignoredIsolators": [], "apps": [{"name": "one", "volume": "v", "stdin": "null"}],
    },
}

# (words, the last one to be completed; what has to be among the answers; what must not)
CASES = [
    (["ru"], {"run", "run-prepared"}, {"rm"}),
    (["--root", "/x", "lis"], {"list"}, set()),
    (["--ro"], {"--root"}, {"--runroot"}),
    (["run", "--mem"], {"--memory"}, {"--mosaic"}),
    (["list", "--st"], {"--state"}, {"--memory"}),
    (["list", "--state", "pre"], {"prepared", "preparing"}, {"running"}),
    (["image", "exp"], {"export"}, {"list"}),
    (["image", "build", "--comp"], {"--compression"}, set()),
    (["image", "build", "--compression", "b"], {"bzip2"}, {"gzip"}),
    (["stop", "web"], {"webserver"}, set()),
    (["stop", "abcd"], {"abcd1234"}, set()),
    (["kill", "--signal", "US"], {"USR1", "USR2"}, {"webserver"}),
    (["help", "sto"], {"stop"}, set()),
    (["completion", "fi"], {"fish"}, set()),
]


MOCTL_CASES = [
    (["she"], {"shelf"}, {"help"}),
    (["check"], {"check-config"}, {"shelf"}),
    (["--de"], {"--debug"}, {"--version"}),
    (["shelf", "cre"], {"create", "create-pool"}, {"clone"}),
    (["shelf", "drop", "an"], {"another"}, set()),
    (["shelf", "snapshot", "another", "s", "an"], {"another"}, set()),
    (["shelf", "send", "--si"], {"--since"}, {"--size"}),
    (["shelf", "send", "--since", "an"], {"another"}, set()),
    (["shelf", "send", "--progress", "p"], {"plain"}, {"bar"}),
    (["shelf", "data", "s"], {"set"}, {"get", "show"}),
    (["help", "roll"], {"rollback"}, set()),
    (["completion", "fi"], {"fish"}, set()),
]


def quote(word):
    return "'" + word.replace("'", "'\\''") + "'"


def bash(program, script, words):
    line = " ".join(quote(word) for word in [program] + words)
    return f"""source {quote(script)}
complete -p {program} | grep -q -- '-F _{program}' || exit 9
COMP_WORDS=({line}); COMP_CWORD={len(words)}
_{program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def fish(program, script, words):
    return f"source {quote(script)}; complete -C {quote(' '.join([program] + words))}"


def zsh(program, script, words):
    """A real zsh in a pseudo terminal, asked for the list of matches."""
    return f"""zmodload zsh/zpty
zpty inner zsh -f
zpty -w inner 'PS1="" PS2="" RPS1=""; autoload -Uz compinit; compinit -u -D'
zpty -w inner {quote("source " + script)}
# matches go into a file, by the function that adds them
zpty -w inner 'compadd() {{ local -a all; local arrays=; [[ $* == *" -a "* || $1 == -a ]] && arrays=-a
builtin compadd -O all "$@"; print -rl -- $all >> $ZSH_MATCHES; builtin compadd "$@" }}'
zpty -w inner 'zle_done() {{ print -r -- done >> $ZSH_MATCHES.done }}; zle -N zle_done; bindkey "^Y" zle_done'
zpty -w inner 'bindkey "^I" complete-word; print ready >> $ZSH_MATCHES.ready'
for i in {{1..100}}; do [[ -e $ZSH_MATCHES.ready ]] && break; sleep 0.1; done
zpty -n -w inner {quote(' '.join([program] + words))}$'\\t\\x19'
for i in {{1..100}}; do [[ -e $ZSH_MATCHES.done ]] && break; sleep 0.1; done
zpty -d inner
cat $ZSH_MATCHES
"""


SHELLS = {
    "bash": (["bash", "--norc", "-c"], bash),
    "fish": (["fish", "--no-config", "-c"], fish),
    "zsh": (["zsh", "-f", "-c"], zsh),
}


def answers(shell, program, script, words, environment):
    command, make = SHELLS[shell]
    result = subprocess.run(command + [make(program, script, words)], env=environment, text=True,
                            capture_output=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{shell}: {words}: exit status {result.returncode}\n{result.stdout}{result.stderr}")
    return {line.split("\t")[0].strip() for line in result.stdout.splitlines()}, result.stderr


def prepare(program, scratch, environment):
    """What there is to be completed."""
    if program == "moctl":
        os.makedirs(f"{scratch}/mosaic.d")
        with open(f"{scratch}/mosaic.d/shelf.mos", "w", encoding="utf-8") as file:
            file.write(f"type: plain\nlocation: {scratch}/shelf\n")
        for words in ["make"], ["create", "another"], ["create", "a volume"]:
            subprocess.run(["moctl", "shelf"] + words, check=True, env=environment)
        return
    os.makedirs(f"{scratch}/root/pods/{UUID}")
    with open(f"{scratch}/root/pods/{UUID}/pod", "w", encoding="utf-8") as file:
        json.dump(POD, file)


OPTION = re.compile(r"^  (?:-\w,|   ) (--[a-z-]+)", re.MULTILINE)
VERB = re.compile(r"^  ([a-z][a-z-]*)  ", re.MULTILINE)


def from_help(program, environment, *words):
    """Cases for every command below words: all of its commands, or all of its options."""
    text = subprocess.run([program, "help", *words], check=True, capture_output=True, text=True, env=environment).stdout
    lead = ["shelf"] if text.startswith("usage: moctl MOSAIC") else []
    verbs = set(VERB.findall(text)) if not words or "Commands:" in text else set()
    cases = []
    if not verbs:
        cases.append(([*lead, *words, "--"], set(OPTION.findall(text)), {word for word in ALL if word not in text}))
    elif words:
        cases.append(([*lead, *words, ""], verbs, set()))
    for verb in sorted(verbs):
        cases += from_help(program, environment, *words, verb)
    return cases


# Options of some commands that others must not be offered.
ALL = ["--since", "--repair", "--memory", "--compression", "--signal"]


def main():
    path, shell = sys.argv[1:]
    program = os.path.basename(path)
    cases = MOCTL_CASES if program == "moctl" else CASES
    failed = 0
    with tempfile.TemporaryDirectory(prefix="carob-completion.") as scratch:
        os.makedirs(f"{scratch}/bin")
        os.makedirs(f"{scratch}/cwd")
        os.symlink(os.path.abspath(path), f"{scratch}/bin/{program}")
        script = f"{scratch}/script"
        with open(script, "w", encoding="utf-8") as file:
            subprocess.run([path, "completion", shell], check=True, stdout=file)
        environment = {"PATH": f"{scratch}/bin:/usr/bin:/bin", "HOME": scratch, "TERM": "xterm", "LC_ALL": "C.UTF-8",
                       "CAROB_ROOT": f"{scratch}/root", "CAROB_RUNROOT": f"{scratch}/run",
                       "MOSAIC_PATH": f"{scratch}/mosaic.d"}
        prepare(program, scratch, environment)
        os.chdir(f"{scratch}/cwd")
        generated = from_help(program, environment)
        options = sum(len(wanted) for _, wanted, _ in generated)
        if len(generated) < 20 or options < 50:
            sys.exit(f"the help was not understood: {len(generated)} commands, {options} options")
        # a zsh in a terminal takes a second for each
        cases = cases + (generated[::12] if shell == "zsh" else generated)
        for number, (words, wanted, unwanted) in enumerate(cases):
            environment["ZSH_MATCHES"] = f"{scratch}/matches{number}"
            got, errors = answers(shell, program, script, words, environment)
            if not wanted <= got or unwanted & got or errors:
                failed += 1
                print(f"{shell}: {program} {' '.join(words)}: {sorted(got)}; wanted {sorted(wanted)}, "
                      f"not {sorted(unwanted)} {errors}")
    print(f"{shell}: {len(cases) - failed} of {len(cases)} completions")
    sys.exit(1 if failed else 0)


main()
