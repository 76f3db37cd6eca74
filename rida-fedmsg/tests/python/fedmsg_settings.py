"""The settings of fedmsg for the tests' programs: its defaults, with the tests' authority."""
import copy
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import fedmsg.config

AUTHORITY = Path(__file__).resolve().parent.parent / "fixtures" / "authority"


def settings(**changes):
    known = {key: copy.deepcopy(value["default"]) for key, value in fedmsg.config.FedmsgConfig._defaults.items()}
    known.update(
        topic_prefix="org.fedoraproject", environment="stg", post_init_sleep=0.0, validate_signatures=True,
        crypto_backend="x509", crypto_validate_backends=["x509"], ssldir=str(AUTHORITY),
        ca_cert_location=str(AUTHORITY / "ca.crt"), crl_location=str(AUTHORITY / "revoked.pem"),
    )
    known.update(changes)
    return known
