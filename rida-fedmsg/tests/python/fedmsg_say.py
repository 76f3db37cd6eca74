#!/usr/bin/env python3
"""Publishes what Koji would, with fedmsg itself; a damage is done after signing.

    fedmsg_say.py PLACE

Reads lines {"signer", "topic", "msg", "damage"?} and publishes each; prints a line when it has.
"""
import json
import sys

from fedmsg_settings import settings
import fedmsg.core


def main():
    place = sys.argv[1]
    for number, line in enumerate(sys.stdin):
        order = json.loads(line)
        damage = order.get("damage")

        def hook(message):
            if damage == "body":
                message["msg"]["tag"] = "another"
            elif damage == "topic":
                message["topic"] += ".x"
            elif damage == "signature":
                message["signature"] = message["signature"][::-1]
            elif damage == "id":
                message["msg_id"] = "2027-" + "0" * 8

        if number == 0:
            context = fedmsg.core.FedMsgContext(**settings(name="koji", endpoints={"koji": [place]}, environment="prod"))
            sys.stdout.write("open\n")
            sys.stdout.flush()
        context.c["sign_messages"] = damage != "unsigned"
        context.c["certname"] = order["signer"]
        context.c["certnames"] = {"koji." + context.hostname: order["signer"]}
        context.c["cert_prefix"] = "koji"
        context.publish(topic=order["topic"], modname="buildsys", msg=order["msg"], pre_fire_hook=hook)
        sys.stdout.write("said\n")
        sys.stdout.flush()


main()
