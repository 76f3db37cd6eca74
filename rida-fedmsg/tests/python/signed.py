#!/usr/bin/env python3
"""Signs messages with fedmsg itself: what Rida must send, to the byte, since such signatures leave no choice.

    target/python/fedmsg/bin/python signed.py AUTHORITY BODIES > signed.jsonl

AUTHORITY is the folder that make-authority.sh made, BODIES the golden file of Rida's bodies. Each line has the fields
of a message that are signed, as written for people, and the frame on the wire.
"""
import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import fedmsg.crypto
import fedmsg.encoding

HARD = {
    "z": 1, "a": [None, True, False, [], {}], "\U0001F600": "\U0001F600", "\uffff": "\uffff", "\u00e9": "\u00e9", "del": "\x7f",
    "controls": "\x00\x01\b\t\n\f\r\x1f", "quotes": "\"\\/", "lines": "\u2028\u2029", "integers": [0, -1, 2**53, 2**64, 10**30],
    "floats": [0.0, -0.0, 0.1, 1e15, 1e16, 1e-4, 1e-5, 1.5e300, 5e-324, -1144674934299864.25], ',"timestamp":': ',"timestamp":',
}


def main():
    authority, bodies = Path(sys.argv[1]), Path(sys.argv[2])
    lines = [line.split(" ", 1) for line in bodies.read_text("utf-8").splitlines()]
    messages = [(topic, json.loads(body)) for topic, body in lines] + [("hard.test", HARD), ("empty.test", {})]
    for number, (topic, body) in enumerate(messages, 1):
        message = {
            "topic": "org.fedoraproject.stg.mbs." + topic, "msg": body, "timestamp": 1800000000 + number, "i": number,
            "msg_id": "2027-00000000-0000-4000-8000-%012d" % number, "username": "rida",
        }
        trust = {"ca_cert_location": str(authority / "ca.crt"), "crl_location": str(authority / "revoked.pem")}
        signed = fedmsg.crypto.sign(dict(message), ssldir=str(authority), certname="signer", crypto_backend="x509")
        if not fedmsg.crypto.validate(dict(signed), crypto_validate_backends=["x509"], **trust):
            raise SystemExit("fedmsg does not believe itself; is pyOpenSSL the version that is written down?")
        print(json.dumps({"fields": message, "frame": fedmsg.encoding.dumps(signed)}))


main()
