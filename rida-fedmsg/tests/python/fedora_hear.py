#!/usr/bin/env python3
"""A consumer of fedora-messaging: prints what it receives and what it complains of, a JSON object a line.

    fedora_hear.py URL QUEUE [CA CERTIFICATE KEY]
"""
import json
import logging
import sys

from twisted.internet import reactor
from fedora_messaging import config


def tell(**what):
    print(json.dumps(what, default=str), flush=True)


class Complaints(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.WARNING:
            tell(event="complaint", text=record.getMessage()[:500])


def hear(message):
    properties = message._properties
    tell(
        event="message", id=message.id, topic=message.topic, severity=message.severity, body=message.body,
        headers=message._headers, usernames=message.usernames, packages=message.packages, modules=message.modules,
        kind=type(message).__name__, content_type=properties.content_type, encoding=properties.content_encoding,
        delivery_mode=properties.delivery_mode,
    )


def main():
    url, queue = sys.argv[1:3]
    queues = {queue: {"durable": True, "auto_delete": False, "exclusive": False, "arguments": {}}}
    bindings = [{"queue": queue, "exchange": "amq.topic", "routing_keys": ["#"]}]
    wanted = dict(config.DEFAULTS, amqp_url=url, queues=queues, bindings=bindings)
    if len(sys.argv) > 3:
        wanted["tls"] = dict(zip(("ca_cert", "certfile", "keyfile"), sys.argv[3:6]))
    config.conf.load_config = lambda *_, **__: None  # no file of the machine
    config.conf.update(json.loads(json.dumps(wanted)))
    config.conf.loaded = True
    logger = logging.getLogger("fedora_messaging")
    logger.addHandler(Complaints())
    logger.propagate = False
    from fedora_messaging import api

    consuming = api.twisted_consume(hear, bindings=bindings, queues=queues)
    consuming.addCallbacks(lambda _: tell(event="listening"), lambda failure: tell(event="failed", text=repr(failure.value)))
    reactor.run()


main()
