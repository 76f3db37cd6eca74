"""Asks a service as the Module Build Service does when another one has the modules, and prints what it understood.

usage: mbs_asks.py URL-OF-THE-LIST MODULEMD TAG
"""

import json
import os
import sys

sys.path.append("/usr/lib/python3/dist-packages")
os.environ.update(MBS_CONFIG_FILE="", MBS_CONFIG_SECTION="LocalBuildConfiguration")
import pkg_resources  # noqa: E402

# What it can do besides is not installed: its buses, its front end's log-in.
pkg_resources.EntryPoint.require = lambda *_, **__: None

import solv  # noqa: E402
from sqlalchemy import create_engine  # noqa: E402
from sqlalchemy.orm import sessionmaker  # noqa: E402

from module_build_service.common import models  # noqa: E402
from module_build_service.common.config import conf  # noqa: E402
from module_build_service.common.errors import UnprocessableEntity  # noqa: E402
from module_build_service.common.utils import load_mmd  # noqa: E402
from module_build_service.resolver.MBSResolver import MBSResolver  # noqa: E402
from module_build_service.web.mse import generate_expanded_mmds  # noqa: E402
from module_build_service.web.submit import resolve_base_module_virtual_streams  # noqa: E402

Pool = solv.Pool


def rpm_pool():
    """Makes a pool that compares as RPM does: on Debian the library compares as dpkg does."""
    pool = Pool()
    pool.setdisttype(Pool.DISTTYPE_RPM)
    return pool


solv.Pool = rpm_pool
url, document, tag = sys.argv[1:]
conf.set_item("mbs_url", url)
engine = create_engine("sqlite://")
models.ModuleBuild.metadata.create_all(engine)
session = sessionmaker(bind=engine)()
resolver = MBSResolver(session, conf)
said = {}


def nsvcs(mmds):
    return sorted(mmd.get_nsvc() for mmd in mmds)


said["streams"] = resolve_base_module_virtual_streams(session, "platform", ["el8", "el8.1.0", "-el9", "el7"])
platform = resolver.get_module_modulemds("platform", "el8.2.0")[0]
said["platform"] = platform.get_nsvc()
said["platform_xmd"] = platform.get_xmd()["mbs"]
virtual = platform.get_xmd()["mbs"]["virtual_streams"]
for name, older, states in [("older", True, ["ready"]), ("any", False, ["ready"]), ("ended", False, ["garbage"])]:
    found = resolver.get_compatible_base_module_modulemds(platform, older, virtual, states)
    said[name] = nsvcs(found)
said["gates"] = nsvcs(resolver.get_buildrequired_modulemds("gate", "rolling", platform))
said["by_tag"] = resolver.get_modulemd_by_koji_tag(tag).get_nsvc()
said["by_no_tag"] = resolver.get_modulemd_by_koji_tag("module-nothere")
requires = resolver.resolve_requires(["gate:rolling", "platform:el8.2.0"])
said["requires"] = requires
gate = requires["gate"]
dependencies = resolver.get_module_build_dependencies("gate", "rolling", gate["version"], gate["context"], strict=True)
said["dependencies"] = {tag: nsvcs(mmds) for tag, mmds in dependencies.items()}
try:
    resolver.get_module_modulemds("nothere", "1", strict=True)
except UnprocessableEntity as error:
    said["missing"] = str(error)

# The whole expansion of a module, with compatible platforms as servers have it and as local builds do.
with open(document) as file:
    module = load_mmd(file.read())
module.set_version(1)
for name, only_compatible in [("expanded", True), ("expanded_locally", False)]:
    conf.set_item("allow_only_compatible_base_modules", only_compatible)
    said[name] = [
        {
            name: f"{told['stream']}:{told['version']}:{told['context']}:{told['koji_tag']}"
            for name, told in mmd.get_xmd()["mbs"]["buildrequires"].items()
        }
        for mmd in generate_expanded_mmds(session, module)
    ]
    said[f"{name}_profiles"] = [
        {key: sorted(rpms) for key, rpms in resolver.resolve_profiles(mmd, ["buildroot"]).items()}
        for mmd in generate_expanded_mmds(session, module)
    ]
json.dump(said, sys.stdout, default=str)
