"""Runs rpkg with a configuration file and the arguments of its command line, as the programs made of it do."""

import configparser
import logging
import os
import sys

sys.path.append("/usr/lib/python3/dist-packages")
import pyrpkg  # noqa: E402
import pyrpkg.cli  # noqa: E402

settings = sys.argv.pop(1)
config = configparser.ConfigParser()
assert config.read(settings) == [settings]
sys.argv[0] = "rpkg"
client = pyrpkg.cli.cliClient(config, name="rpkg")
client.do_imports()
client.parse_cmdline()
client.args.path = client.args.path or os.getcwd()
client.setupLogging(pyrpkg.log)
pyrpkg.log.setLevel(logging.INFO)
try:
    sys.exit(client.args.command())
except pyrpkg.rpkgError as error:
    sys.exit(f"refused: {error}")
