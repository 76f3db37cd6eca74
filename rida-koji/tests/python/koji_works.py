"""Works with a hub as a module build service would, with Koji's own client. Takes the hub's address."""

import os
import sys
import tempfile
import time

import koji

session = koji.ClientSession(sys.argv[1], {"max_retries": 3, "retry_interval": 1, "timeout": 30})
assert session.getAPIVersion() == 1
assert session.hub_version[:2] == (1, 35), session.hub_version
try:
    koji.ClientSession(sys.argv[1], {"user": "rida", "password": "wrong"}).login()
    raise SystemExit("a login with a wrong password succeeded")
except koji.AuthError:
    pass
session.opts["user"], session.opts["password"] = "rida", "secret"
session.login()
assert session.getLoggedInUser()["name"] == "rida"
assert "tag" in session.getPerms()

assert session.getTag("koji-build") is None
build_tag = session.createTag("koji-build", arches="x86_64", extra={"mock.package_manager": "dnf"})
session.createTag("koji")
try:
    session.createTag("koji")
    raise SystemExit("a tag was made twice")
except koji.GenericError as error:
    assert "already exists" in str(error), error
session.editTag2("koji-build", perm="tag")
assert session.getTag(build_tag, strict=True)["extra"] == {"mock.package_manager": "dnf"}
session.groupListAdd("koji-build", "build")
session.groupPackageListAdd("koji-build", "build", "bash")
assert session.getTagGroups("koji-build", inherit=False)[0]["packagelist"][0]["package"] == "bash"
parent = session.getTag("platform-build")["id"]
link = {"parent_id": parent, "priority": 0, "maxdepth": None, "intransitive": False, "noconfig": False, "pkg_filter": ""}
session.setInheritanceData(build_tag, [link])
assert session.getInheritanceData("koji-build")[0]["name"] == "platform-build"
session.createBuildTarget("koji", "koji-build", "koji")

with session.multicall(strict=True) as many:
    for package in ("module-build-macros", "alpha"):
        many.packageListAdd("koji", package, "rida")
        many.packageListAdd("koji-build", package, "rida")
assert {p["package_name"] for p in session.listPackages(tagID="koji")} == {"module-build-macros", "alpha"}
session.multicall = True
session.getTag("koji")
session.getBuild("no-such-build-1", strict=True)
found, fault = session.multiCall()
assert found[0]["name"] == "koji" and fault["faultCode"] == 1000, (found, fault)

request = session.repo.request("koji-build")["request"]
assert session.repo.checkRequest(request["id"])["request"]["active"]
# A build that finds no repository waits a minute for one, which is longer than is waited for it here.
for _ in range(600):
    if not session.repo.checkRequest(request["id"])["request"]["active"]:
        break
    time.sleep(0.05)
assert session.repo.checkRequest(request["id"])["repo"], "there is no repository"
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "module-build-macros-0.1-1.el8.src.rpm")
    with open(path, "wb") as package:
        package.write(os.urandom(3_000_000))
    session.uploadWrapper(path, "cli-build/1.abcdefgh")
    session.fastUpload(path, "cli-build/2.abcdefgh")
task = session.build("cli-build/1.abcdefgh/module-build-macros-0.1-1.el8.src.rpm", "koji", {"skip_tag": True}, priority=10)


def wait(task):
    for _ in range(600):
        if koji.TASK_STATES[session.getTaskInfo(task)["state"]] not in ("FREE", "OPEN", "ASSIGNED"):
            return session.getTaskResult(task)
        time.sleep(0.05)
    raise SystemExit("task %s does not end" % task)


try:
    session.getTaskResult(task)
    raise SystemExit("a task had a result before it ended")
except koji.GenericError as error:
    assert "is not finished" in str(error), error
wait(task)
build = session.listBuilds(taskID=task)[0]
assert (build["nvr"], build["state"]) == ("module-build-macros-0.1-1.el8", koji.BUILD_STATES["COMPLETE"]), build
wait(session.tagBuild("koji-build", build["nvr"]))
assert [b["nvr"] for b in session.listTagged("koji-build")] == [build["nvr"]]
assert koji.util.checkForBuilds(session, "koji-build", [koji.parse_NVR(build["nvr"])], None)
try:
    wait(session.build("git+https://git.example.org/rpms/bad?#1", "koji", {"skip_tag": True}))
    raise SystemExit("what fails did not fail")
except koji.BuildError as error:
    assert "mock exited" in str(error), error
try:
    session.untagBuild("koji", build["nvr"])
    raise SystemExit("what is not tagged was untagged")
except koji.TagError:
    pass
session.untagBuild("koji-build", build["nvr"])
session.logout()
try:
    session.createTag("after")
    raise SystemExit("something was written after the logout")
except koji.ActionNotAllowed:
    pass
print("all is well")
