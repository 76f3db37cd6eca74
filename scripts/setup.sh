#!/bin/sh
# Installs the programs that Rida runs, with the package manager of Debian or Fedora.
# usage: scripts/setup.sh run|test
set -eu

cd "$(dirname "$0")/.."
case "${1:-}" in
run) tests=no ;;
test) tests=yes ;;
*)
    echo "usage: $0 run|test" >&2
    exit 2
    ;;
esac

if [ "$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi

if command -v apt-get >/dev/null; then
    packages="git curl rpm createrepo-c bubblewrap gcc libc6-dev"
    # What the client of Koji and the bus are built with.
    packages="$packages libssl-dev pkg-config g++"
    [ "$tests" = no ] || packages="$packages libmodulemd-tools gir1.2-modulemd-2.0 python3-gi python3-yaml dnf cpio postgresql openssl e2fsprogs mount"
    # The feature kerberos of the client of Koji, a realm and a hub's server to log in to, and clocks that are wrong.
    [ "$tests" = no ] || packages="$packages libkrb5-dev libclang-dev krb5-kdc krb5-admin-server krb5-user"
    [ "$tests" = no ] || packages="$packages apache2 libapache2-mod-auth-gssapi python3-gssapi faketime"
    # What the Module Build Service and its client need that PyPI has as sources only.
    [ "$tests" = no ] || packages="$packages python3-cccolutils python3-pycurl python3-rpm python3-solv"
    # The broker of the bus, and what its real consumers run on.
    [ "$tests" = no ] || packages="$packages rabbitmq-server python3-venv"
    missing=
    for package in $packages; do
        dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
            missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        echo "installing:$missing" >&2
        $as_root apt-get update -qq >&2
        # Tests start what they need themselves: no package may start its service for the whole machine meanwhile.
        policy=/usr/sbin/policy-rc.d
        ours=no
        if [ ! -e "$policy" ]; then
            ours=yes
            trap '$as_root rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
            $as_root chmod 755 "$policy"
        fi
        # shellcheck disable=SC2086 # the list is to be split
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >&2
        [ "$ours" = no ] || $as_root rm -f "$policy"
        trap - EXIT
    fi
elif command -v dnf >/dev/null; then
    packages="git curl rpm-build createrepo_c bubblewrap gcc gcc-c++ openssl-devel pkgconf"
    [ "$tests" = no ] || packages="$packages libmodulemd python3-gobject python3-pyyaml dnf cpio git-daemon postgresql-server openssl e2fsprogs"
    [ "$tests" = no ] || packages="$packages krb5-devel clang-devel krb5-server krb5-workstation"
    [ "$tests" = no ] || packages="$packages httpd mod_ssl mod_auth_gssapi python3-gssapi libfaketime"
    # As Fedora names them; this branch was written down and never run. Other distributions have the broker in
    # repositories of their own. The environments of Python need nothing beside python3.
    [ "$tests" = no ] || packages="$packages rabbitmq-server python3 python3-cccolutils python3-pycurl python3-rpm python3-solv"
    # shellcheck disable=SC2086 # the list is to be split
    rpm --query --quiet $packages || $as_root dnf install -y --quiet $packages >&2
else
    echo "neither apt-get nor dnf is here; install git, curl, rpmbuild, createrepo_c, bubblewrap, gcc and g++" >&2
    exit 1
fi

# Programs for tests that come from PyPI, each set in a place of its own, at the versions that are written down.
[ "$tests" = yes ] || exit 0
for wanted in rida-*/tests/python/*.txt; do
    place=target/python/$(basename "$wanted" .txt)
    cmp -s "$wanted" "$place/installed.txt" && continue
    echo "installing $wanted in $place" >&2
    rm -rf "$place"
    python3 -m venv "$place"
    # What a list says after `# pip:` is how it wants to be installed.
    # shellcheck disable=SC2046 # the options are to be split
    "$place/bin/pip" install --quiet --disable-pip-version-check $(sed -n 's/^# pip: //p' "$wanted") \
        --requirement "$wanted"
    cp "$wanted" "$place/installed.txt"
done
