#!/usr/bin/env python3
"""A listener made of fedmsg's own parts: prints each message with fedmsg's verdict, a JSON object a line.

    fedmsg_hear.py PLACE...
"""
import json
import sys

from fedmsg_settings import settings
import fedmsg.core
import fedmsg.crypto
import fedmsg.encoding
from fedmsg.crypto import x509_ng


def main():
    if not x509_ng._cryptography:
        raise SystemExit("fedmsg has no crypto here and would refuse everything: see fedmsg.txt")
    context = fedmsg.core.FedMsgContext(**settings(name="listener", mute=True, endpoints={"listener": sys.argv[1:]}))
    poller, sockets = context._create_poller(topic="")
    print(json.dumps({"event": "listening"}), flush=True)
    while True:
        for socket in dict(poller.poll()):
            frames = socket.recv_multipart()
            topic, frame = frames[0].decode(), frames[1].decode()
            message = fedmsg.encoding.loads(frame)
            good = len(frames) == 2 and message["topic"] == topic and bool(fedmsg.crypto.validate(message, **context.c))
            told = {"event": "message", "good": good, "id": message["msg_id"], "topic": topic, "msg": message["msg"]}
            print(json.dumps(told), flush=True)


main()
