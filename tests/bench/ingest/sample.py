"""What the ingest benchmark reads: one tree of files, as an ACI and as an OCI layout.

The tree is the same on every machine: names, sizes and contents come from a seeded generator. Sizes
are spread as those of a system's root file system are (half of the files have less than 5 KiB, one in a
hundred more than a quarter of a MiB); contents are three fifths text of a vocabulary, which
compresses well, and two fifths bytes that do so badly, which together comes to what real
layers do (a ratio of about 2.5). No content comes twice within the window of a compressor.
"""

import hashlib
import io
import json
import os
import random
import subprocess
import tarfile

SEED = 20130604
POOL_BYTES = 24 << 20
MEDIAN_BYTES, SPREAD, LARGEST = 5000, 1.9, 12 << 20
FILES_OF_A_DIRECTORY = 24
LAYERS = 3
COMPRESSORS = {"gzip": ["gzip", "-6", "-n", "-c"], "zstd": ["zstd", "-3", "-q", "-c"]}
NAME = "example.com/bench-ingest"


def make_pools(rng, size):
    """Bytes to cut contents from: a text, and something like machine code."""
    words = ["".join(rng.choices("etaoinshrdlucmfwypvbgk", k=rng.randint(2, 11))) for _ in range(6000)]
    text = []
    while sum(map(len, text[-1:])) + len(text) * 80 < size:
        text.append(" ".join(words[min(int(rng.paretovariate(0.6)), 5999)] for _ in range(11)) + "\n")
    skew = bytes(min(255, int(-48 * __import__("math").log(1 - n / 256))) for n in range(256))
    return "".join(text).encode()[:size], rng.randbytes(size).translate(skew)


class Tree:
    """The members of the tree, in the order of an archive: (name, content) with content None for a
    directory."""

    def __init__(self, files, mebibytes, seed=SEED):
        self.rng = random.Random(seed)
        self.pools = make_pools(self.rng, min(POOL_BYTES, mebibytes << 20))
        self.at = [0, 0]
        sizes = [min(int(self.rng.lognormvariate(0, SPREAD) * MEDIAN_BYTES), LARGEST) for _ in range(files)]
        factor = (mebibytes << 20) / sum(sizes)
        self.sizes = [int(size * factor) + 1 for size in sizes]

    def cut(self, size):
        which = self.rng.random() < 0.4
        pool, pieces = self.pools[which], []
        while size:
            at = self.at[which]
            piece = pool[at:at + size]
            self.at[which] = (at + len(piece)) % len(pool)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def members(self):
        for number, size in enumerate(self.sizes):
            if number % FILES_OF_A_DIRECTORY == 0:
                directory = f"usr/share/d{number // FILES_OF_A_DIRECTORY:04}"
                yield directory, None
            yield f"{directory}/file-{number:06}.dat", self.cut(size)


def member(name, content):
    info = tarfile.TarInfo(name)
    info.mtime, info.uname, info.gname = 1700000000, "root", "root"
    if content is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    else:
        info.size, info.mode = len(content), 0o644
    return info


def add(archive, name, content):
    archive.addfile(member(name, content), io.BytesIO(content) if content is not None else None)


class Output:
    """A tar archive and, at the same time, its compressed forms; digests of the plain stream."""

    def __init__(self, path):
        self.path, self.sha256, self.size = path, hashlib.sha256(), 0
        self.file = open(path, "wb")

    def write(self, data):
        self.sha256.update(data)
        self.size += len(data)
        return self.file.write(data)

    def close(self):
        self.file.close()


def compress(path, kind):
    """path.KIND beside path; returns its name."""
    with open(f"{path}.{kind}", "wb") as out:
        subprocess.run(COMPRESSORS[kind] + [path], stdout=out, check=True)
    return f"{path}.{kind}"


def make_aci(directory, files, mebibytes):
    """directory/image.aci and .gzip, .zstd."""
    path = os.path.join(directory, "image.aci")
    out = Output(path)
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        manifest = {"acKind": "ImageManifest", "acVersion": "0.8.11", "name": NAME}
        add(archive, "manifest", json.dumps(manifest).encode())
        add(archive, "rootfs", None)
        add(archive, "rootfs/usr", None)
        add(archive, "rootfs/usr/share", None)
        for name, content in Tree(files, mebibytes).members():
            add(archive, "rootfs/" + name, content)
    out.close()
    return {"none": path} | {kind: compress(path, kind) for kind in COMPRESSORS}


def blob(layout, data=None, path=None):
    """Puts bytes or a file into the layout; returns its descriptor without a type."""
    if path:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.path.getsize(path)
        os.rename(path, os.path.join(layout, "blobs/sha256", digest))
    else:
        digest, size = hashlib.sha256(data).hexdigest(), len(data)
        with open(os.path.join(layout, "blobs/sha256", digest), "wb") as file:
            file.write(data)
    return {"digest": "sha256:" + digest, "size": size}


def make_layers(directory, files, mebibytes):
    """The plain layers: the tree in LAYERS parts. Returns [(path, diff ID)]."""
    members = Tree(files, mebibytes).members()
    layers, per_layer, number = [], files // LAYERS + 1, 0
    for index in range(LAYERS):
        out = Output(os.path.join(directory, f"layer.{index}"))
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as archive:
            done = 0
            for name, content in members:
                add(archive, name, content)
                done += content is not None
                if done == per_layer:
                    break
        out.close()
        layers.append((out.path, "sha256:" + out.sha256.hexdigest()))
        number += done
    return layers


def make_layout(directory, layers, kind):
    """An OCI layout directory/oci.KIND with one image tagged latest, of layers compressed that way."""
    layout = os.path.join(directory, f"oci.{kind}")
    os.makedirs(os.path.join(layout, "blobs/sha256"))
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
    }).encode()
    suffix = "zstd" if kind == "zstd" else "gzip"
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json"} | blob(layout, config),
        "layers": [{"mediaType": f"application/vnd.oci.image.layer.v1.tar+{suffix}"}
                   | blob(layout, path=compress(path, kind)) for path, _ in layers],
    }).encode()
    index = {"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", **blob(layout, manifest),
         "platform": {"os": "linux", "architecture": "amd64"},
         "annotations": {"org.opencontainers.image.ref.name": "latest"}}]}
    for name, value in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(layout, name), "w", encoding="utf-8") as file:
            json.dump(value, file)
    return layout
