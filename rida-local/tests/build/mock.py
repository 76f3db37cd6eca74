#!/usr/bin/env python3
"""Takes the options and settings that the build system uses of mock, and does what mock does with them.

The root is not one of a distribution: packages of the repositories in the settings are unpacked into a folder, and
rpmbuild of this machine uses their programs and macros. A build requirement that no repository provides fails the
build when it starts with `bench-`, and is taken from this machine otherwise.
"""

import argparse
import configparser
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("-r", "--root", required=True)
parser.add_argument("--resultdir", required=True)
parser.add_argument("--buildsrpm", action="store_true")
parser.add_argument("--spec")
parser.add_argument("--sources")
parser.add_argument("--rebuild")
options = parser.parse_args()

config_opts = {"root": "fedora", "macros": {}, "dnf.conf": "[main]\nkeepcache=1\n"}
included = []
with open(options.root) as file:
    exec(compile(file.read(), options.root, "exec"), {"config_opts": config_opts, "include": included.append})
assert len(included) == 1 and included[0].startswith("/etc/mock/"), included
print("root:", included[0], config_opts["root"], "network:", config_opts["rpmbuild_networking"])

root = tempfile.mkdtemp()


def clean_up(*_):
    shutil.rmtree(root)
    print("mock cleaned up", flush=True)
    sys.exit(1)


signal.signal(signal.SIGTERM, clean_up)
repositories = configparser.ConfigParser(interpolation=None)
repositories.read_string(config_opts["dnf.conf"])
packages = []
for name in repositories.sections():
    if name != "main":
        folder = urllib.parse.unquote(repositories[name]["baseurl"].removeprefix("file://"))
        assert os.path.exists(folder + "/repodata/repomd.xml"), folder
        packages += glob.glob(folder + "/*.rpm")


def ask(what, package):
    command = ["rpm", "-qp", "--nosignature", what, package]
    return [line.split()[0] for line in subprocess.check_output(command, text=True).splitlines() if line]


def install(required):
    provider = next((package for package in packages if required in ask("--provides", package)), None)
    if provider is None:
        if required.startswith("bench-"):
            sys.exit(f"No matching package to install: {required!r}")
        return
    packages.remove(provider)
    subprocess.run(f"rpm2archive - < '{provider}' | tar -xz -C '{root}'", shell=True, check=True)
    for next_required in ask("--requires", provider):
        install(next_required)


for name in config_opts["chroot_additional_packages"].split():
    install(name)
command = ["rpmbuild", "--nodeps", "--define", f"_topdir {root}/builddir", "--define", f"_rpmdir {options.resultdir}"]
command += ["--define", f"_srcrpmdir {options.resultdir}"]
command += ["--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"]
if options.buildsrpm:
    command += ["-bs", "--define", f"_sourcedir {options.sources}", options.spec]
else:
    for required in ask("--requires", options.rebuild):
        install(required)
    subprocess.run(["rpm", "-i", "--define", f"_topdir {root}/builddir", "--dbpath", f"{root}/db", options.rebuild])
    command += ["-ba"] + glob.glob(f"{root}/builddir/SPECS/*.spec")
for macros in sorted(glob.glob(root + "/etc/rpm/macros.*")):
    command.insert(1, "--load=" + macros)
for name, value in config_opts["macros"].items():
    command[1:1] = ["--define", f"{name.removeprefix('%')} {value}"]
environment = dict(os.environ, PATH=f"{root}/usr/bin:{os.environ['PATH']}")
build = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
with open(options.resultdir + "/build.log", "w") as file:
    for line in build.stdout:
        file.write(line)
        if config_opts["print_main_output"]:
            print(line, end="", flush=True)
code = build.wait()
shutil.rmtree(root)
sys.exit(1 if code else 0)
