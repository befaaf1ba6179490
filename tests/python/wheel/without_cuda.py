"""Lets PyTorch's wheel be imported without CUDA, whose libraries have 3 GB and are no use to a processor.

    python without_cuda.py

Beside torch's own libraries it writes one of the name of each that is missing, with the symbols that are looked for
while loading. Whoever calls one ends there: nothing on a processor does. Needs gcc and binutils.
"""

import importlib.util
import re
import subprocess
import sysconfig
import tempfile
from collections import defaultdict
from pathlib import Path

LIBRARIES = Path(next(iter(importlib.util.find_spec("torch").submodule_search_locations))) / "lib"
# Part of PyTorch, but only a layer over NVSHMEM.
REPLACED = "libtorch_nvshmem.so"


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def needed(library):
    return set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.*?)\]", output("readelf", "-d", library)))


def defined(library):
    return {line.split()[-1].partition("@")[0] for line in output("nm", "-D", "--defined-only", library).splitlines()}


def undefined(library):
    """Symbols that must be there, each with its version and the library that has this version."""
    versions, of = {}, None
    for line in output("readelf", "-V", "-W", library).splitlines():
        if found := re.search(r"File: (\S+)", line):
            of = found[1]
        if (found := re.search(r"Name: (\S+)\s+Flags", line)) and of:
            versions[found[1]] = of
    for line in output("nm", "-D", "--undefined-only", library).splitlines():
        kind, symbol = line.split()[-2:]
        name, _, version = symbol.partition("@")
        version = version.lstrip("@")
        if kind == "U":
            yield name, version, versions.get(version)


def stand_in(library, symbols, folder):
    """A library with these symbols, of which none does anything."""
    source, script = folder / "empty.c", folder / "versions.map"
    source.write_text("".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name, _ in sorted(symbols)) or "\n")
    by_version = defaultdict(list)
    for name, version in symbols:
        by_version[version].append(name)
    by_version.pop("", None)
    script.write_text("".join(f"{version} {{ {'; '.join(names)}; }};\n" for version, names in by_version.items()))
    options = [f"-Wl,--version-script={script}"] if by_version else []
    command = ["gcc", "-w", "-shared", "-fPIC", source, "-o", LIBRARIES / library, f"-Wl,-soname,{library}", *options]
    subprocess.run(command, check=True)


def main():
    own = [
        path for path in LIBRARIES.glob("*.so*") if path.name.startswith(("libtorch", "libc10", "libshm", "libcaffe"))
    ]
    own = [path for path in own if path.name != REPLACED]
    nvidia = list(Path(sysconfig.get_path("purelib"), "nvidia").rglob("*.so*"))
    there = {path.name for path in [*LIBRARIES.glob("*.so*"), *nvidia]} - {REPLACED}
    system = {
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "librt.so.1",
        "libpthread.so.0",
        "libgcc_s.so.1",
        "libstdc++.so.6",
    }
    missing = set().union(*map(needed, own)) - there - system - {"ld-linux-x86-64.so.2"}
    known = set().union(*map(defined, [*own, *nvidia]))
    symbols = defaultdict(set)
    anywhere = min(missing - {REPLACED})
    for library in own:
        for name, version, of in undefined(library):
            if of in missing:
                symbols[of].add((name, version))
            elif not version and name not in known and re.match(r"cu[A-Z_]|cu[a-z]+[A-Z_]|nv|nccl|_?nvshmem", name):
                symbols[anywhere].add((name, ""))
            elif not version and name not in known and "nvshmem" in name.lower():
                symbols[REPLACED].add((name, ""))
    with tempfile.TemporaryDirectory() as folder:
        for library in sorted(missing | {REPLACED}):
            stand_in(library, symbols[library], Path(folder))
    print(f"PyTorch without CUDA: {len(missing)} libraries stood in for")


if __name__ == "__main__":
    main()
