"""Logs in to a hub by Kerberos with Koji's own client. Takes the hub's address, its authority, a principal and a keytab."""

import sys

# What would have to be compiled is Debian's.
sys.path.append("/usr/lib/python3/dist-packages")
import koji  # noqa: E402

server, authority, principal, keytab = sys.argv[1:]
options = {"serverca": authority, "max_retries": 3, "retry_interval": 1, "timeout": 30, "auth_timeout": 30}
session = koji.ClientSession(server, options)
session.gssapi_login(principal=principal, keytab=keytab)
user = session.getLoggedInUser()
assert (user["name"], user["krb_principals"]) == ("rida", [principal]), user
session.createTag("by-kerberos")
session.logout()
print("all is well")
