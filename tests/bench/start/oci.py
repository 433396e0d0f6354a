"""The container that Carob makes by default, as a bundle for OCI runtimes: the same namespaces, mounts,
devices, hidden paths, capabilities, limits and system call filter."""

import json
import os

CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT "
    "MKNOD AUDIT_WRITE SETFCAP").split()]
PLAIN = ["nosuid", "noexec", "nodev"]
MOUNTS = [
    ("/proc", "proc", PLAIN),
    ("/sys", "sysfs", PLAIN + ["ro"]),
    ("/dev", "tmpfs", ["nosuid", "noexec", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/dev/shm", "tmpfs", ["nosuid", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", PLAIN),
]
MASKED = [
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
    "/sys/firmware", "/sys/devices/virtual/powercap",
]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
DEVICES = [("c", 1, 3), ("c", 1, 5), ("c", 1, 7), ("c", 1, 8), ("c", 1, 9), ("c", 5, 0), ("c", 5, 2),
           ("c", 136, None)]


def device_rules():
    rules = [{"allow": False, "access": "rwm"}]
    for kind, major, minor in DEVICES:
        rule = {"allow": True, "type": kind, "major": major, "access": "rwm"}
        if minor is not None:
            rule["minor"] = minor
        rules.append(rule)
    return rules + [{"allow": True, "type": kind, "access": "m"} for kind in "cb"]


def write_bundle(directory, rootfs, seccomp, group):
    """Writes directory/config.json for a container that runs /bin/true in rootfs, in that cgroup."""
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": {name: CAPABILITIES for name in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}],
            "noNewPrivileges": False,
        },
        "root": {"path": rootfs, "readonly": False},
        "hostname": "bench",
        "mounts": [{"destination": target, "type": fstype, "source": fstype, "options": options}
                   for target, fstype, options in MOUNTS],
        "linux": {
            "cgroupsPath": group,
            "resources": {"devices": device_rules(), "pids": {"limit": 4096}},
            "namespaces": [{"type": name} for name in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "seccomp": seccomp,
            "maskedPaths": MASKED,
            "readonlyPaths": READONLY,
        },
    }
    os.makedirs(directory)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
