#!/usr/bin/env python3
"""A relay of fedmsg whose machine vanishes: it listens, tells its port, lets one publisher in, and acknowledges nothing any
more from the first line of input on, as if the network cable were cut.
"""
import ctypes
import socket
import struct
import sys

SO_ATTACH_FILTER = 26
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL" + bytes(48)
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"


def main():
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    place.listen(1)
    print("port", place.getsockname()[1], flush=True)
    publisher, _ = place.accept()
    place.close()
    # ZMTP 3.0: the greeting, who this is, and that it wants everything.
    publisher.sendall(GREETING + b"\x04" + bytes([len(READY)]) + READY + b"\x00\x01\x01")
    sys.stdin.readline()
    # One instruction: let none of a packet through.
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    publisher.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(code)))
    print("gone", flush=True)
    sys.stdin.readline()


main()
