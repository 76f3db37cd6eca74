"""Reads files with libmodulemd, and tells the CPU time and the memory that this took.

Arguments: what to do (time or memory), how many times, files. Writes a line for each file: milliseconds of the fastest
read, or kilobytes that the first read added to the peak.
"""
import sys
import time

import gi

gi.require_version("Modulemd", "2.0")
from gi.repository import Modulemd  # noqa: E402


def read(text, is_index):
    if is_index:
        index = Modulemd.ModuleIndex.new()
        index.update_from_string(text, False)
        return index
    stream = Modulemd.read_packager_string(text, None, None)
    stream = stream[-1] if isinstance(stream, tuple) else stream
    stream.validate()
    return stream


def peak():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def forget_peak():
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


what, times, files = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
for name in files:
    with open(name, encoding="utf-8") as file:
        text = file.read()
    is_index = text.count("\ndata:") > 1
    if what == "memory":
        # What the first read of all loads is not a part of what a read needs.
        small = "document: modulemd\nversion: 2\ndata: {name: a, stream: b, summary: c, description: d, license: {module: e}}\n"
        read(small, False)
        read("---\n" + small, True)
        forget_peak()
        before = peak()
        kept = read(text, is_index)
        print(peak() - before)
        continue
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        kept = read(text, is_index)
        best = min(best, time.process_time() - start)
        del kept
    print(best * 1000)
