#!/usr/bin/env python3
"""Writes the vectors that the canonical JSON is tested with: what Python's json reads, and what it writes of it.

    python3 vectors.py FOLDER

Makes canonical.jsonl, with a list [text, canonical text] a line, and refused.jsonl, with a text a line that Python
refuses. The same on each run.
"""
import json
import random
import struct
import sys
from pathlib import Path

encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
dice = random.Random(20261126)

FLOATS = [
    0.0, -0.0, 0.1, 1e15, 1e16, 1e17, 123456789012345680.0, 9999999999999998.0, 1e-4, 1e-5, 0.00012345, 1.5e300, 5e-324,
    1.7976931348623157e308, 2.2250738585072014e-308, 1487188431.0, -1144674934299864.25, 123456789.125, 1e21, 1e22, 1e23,
    2.0**53, 2.0**54, 4503599627370497.5, 1 / 3,
]
TEXTS = [
    "", "plain", "\x7f", "\x00\x01\b\t\n\f\r\x1f", '"\\/', "\u2028\u2029\u0085", "é", "\uffff", "\U0001F600", "\ud83d", "\ude00",
    "\ude00\ud83d", "a\ud83d", "\ud83dx", "\U0010FFFF", "\u20ac", "<>&'",
]
WRITTEN = [
    '"\\ud83d\\ude00"', '"\\uD83D\\uDE00"', '"\\ud83d\\ud83d\\ude00"', '"\\ude00\\ud83d"', '"\\/"', '"\\u0041"', " [ 1 , 2 ] ",
    '{"b":1,"a":2,"b":3}', '{"a":{"z":0,"a":0},"a":1}', "-0", "-0.0", "-0e0", "0", "1E5", "1e+5", "1.50", "100e-2", "1e999", "-1e999",
    "1e-999", "NaN", "-Infinity", "Infinity", "12345678901234567890123", "-170141183460469231731687303715884105729",
    '{"\\uffff":1,"\\ud83d\\ude00":2,"\\ue000":3,"z":4,"\\ud83d":5}', "\t\r\n null \n", "[[],{},[{}]]",
]
REFUSED = [
    "", " ", "{", "[", "[1,]", "[,1]", "{,}", '{"a"}', '{"a":}', '{"a":1,}', "{'a':1}", "{1:2}", "01", "-", "+1", ".5", "1.", "1.e5",
    "1e", "0x10", "1_000", "tru", "nul", "True", "None", "nan", "inf", "-NaN", "+Infinity", '"', '"\\', '"\\x41"', '"\\u12"', '"\\u 123"',
    '"\\u+123"', '"\n"', '"\t"', '"\x00"', "[1] 2", "1 2", "// x\n1", "/* x */ 1", "\ufeff1", "\u00a01", "[1 2]", '{"a" 1}', "--1", "- 1",
    '"\\ud83d\\u12"', "]", "}", '"a" "b"', "undefined", "[NaN1]", '{"a":1 "b":2}',
]


def anything(depth):
    kind = dice.randrange(11 if depth else 8)
    if kind == 0:
        return dice.choice([None, True, False])
    if kind == 1:
        return dice.choice([0, -1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30, dice.getrandbits(64) - 2**63])
    if kind in (2, 3):
        if dice.random() < 0.3:
            return dice.choice(FLOATS)
        while True:
            number = struct.unpack("<d", struct.pack("<Q", dice.getrandbits(64)))[0]
            if number == number:
                return number
    if kind == 4:
        return float(dice.getrandbits(54)) / dice.choice([1, 2, 4, 8, 10, 1000])
    if kind < 8:
        if dice.random() < 0.5:
            return dice.choice(TEXTS)
        return "".join(chr(dice.choice([dice.randrange(0x80), dice.randrange(0x800), dice.randrange(0x110000)])) for _ in range(dice.randrange(9)))
    if kind == 8:
        return [anything(depth - 1) for _ in range(dice.randrange(5))]
    return {str(anything(0)) if dice.random() < 0.3 else dice.choice(TEXTS): anything(depth - 1) for _ in range(dice.randrange(6))}


def main():
    folder = Path(sys.argv[1])
    texts = WRITTEN + [repr(number) for number in FLOATS] + [json.dumps(text) for text in TEXTS]
    for _ in range(1000):
        mantissa = dice.getrandbits(54) | 1 << 53
        texts.append(repr(mantissa / 4.0) if dice.random() < 0.5 else "%d.%02d" % (mantissa // 4, mantissa % 4 * 25))
    for number in range(1200):
        texts.append(json.dumps(anything(4), indent=dice.choice([None, 1]), ensure_ascii=True))
    with (folder / "canonical.jsonl").open("w", encoding="ascii") as out:
        for text in texts:
            out.write(json.dumps([text, encoder.encode(json.loads(text))]) + "\n")
    with (folder / "refused.jsonl").open("w", encoding="ascii") as out:
        for text in REFUSED:
            try:
                json.loads(text)
            except ValueError:
                out.write(json.dumps(text) + "\n")
            else:
                raise SystemExit("%r is read" % text)


main()
