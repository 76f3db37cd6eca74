"""Judges tickets as a hub's server would: takes a token a line, and tells whose it is and what is shown in turn."""

import base64
import sys

# It is Debian's, also where another Python is in use.
sys.path.append("/usr/lib/python3/dist-packages")
import gssapi  # noqa: E402

credentials = gssapi.Credentials(usage="accept")
for line in sys.stdin:
    context = gssapi.SecurityContext(creds=credentials, usage="accept")
    try:
        token = context.step(base64.b64decode(line)) or b""
        who = str(context.initiator_name) if context.complete else "-"
        # Nobody needs the tickets of the service, so that it does not hand them out.
        assert context.delegated_creds is None
    except gssapi.exceptions.GSSError as error:
        token, who = error.token or b"", "-"
        print(error, file=sys.stderr)
    print(who, base64.b64encode(token).decode() or "-", flush=True)
