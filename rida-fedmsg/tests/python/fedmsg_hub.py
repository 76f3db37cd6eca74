#!/usr/bin/env python3
"""A consumer on the hub that services ran on: prints what passes its validation, a JSON object a line.

    fedmsg_hub.py PLACE
"""
import json
import sys

from fedmsg_settings import settings
import fedmsg.consumers


class Consumer(fedmsg.consumers.FedmsgConsumer):
    topic = "org.fedoraproject.*"
    config_key = "tests_consumer"

    def consume(self, message):
        body = message["body"]
        print(json.dumps({"event": "message", "id": body["msg_id"], "topic": message["topic"], "msg": body["msg"]}), flush=True)


place = sys.argv[1]
options = settings(name="hub", mute=True, endpoints={"tests": [place]}, zmq_subscribe_endpoints=place, tests_consumer=True)
from moksha.hub import main  # noqa: E402: it reads the command line when it is imported

main(options=options, consumers=[Consumer], framework=False)
