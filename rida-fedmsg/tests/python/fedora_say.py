#!/usr/bin/env python3
"""Publishes with fedora-messaging itself: reads lines {"topic", "body", "id"?} and prints one when each is confirmed.

    fedora_say.py URL
"""
import json
import sys

from fedora_messaging import config

config.conf.load_config = lambda *_, **__: None  # no file of the machine
config.conf.update(json.loads(json.dumps(dict(config.DEFAULTS, amqp_url=sys.argv[1]))))
config.conf.loaded = True
from fedora_messaging import api, message  # noqa: E402: they read the configuration when they are imported

for line in sys.stdin:
    order = json.loads(line)
    told = message.Message(topic=order["topic"], body=order["body"])
    told.id = order.get("id", told.id)
    api.publish(told)
    sys.stdout.write("said\n")
    sys.stdout.flush()
