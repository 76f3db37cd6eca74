#!/bin/sh
# Makes what the tests sign and check with, in a folder: an authority with its list of revoked certificates
# (and one that revokes nobody, and one that has expired), a good
# signer, a revoked one, one of another authority, and server and client of a broker. No secret is among it.
# usage: make-authority.sh FOLDER
set -eu
mkdir -p "$1"
cd "$1"
days=36500

authority() { # name, common name
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days $days -subj "/O=Rida tests/CN=$2" -keyout "$1.key" -out "$1.crt" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

certificate() { # name, common name, authority, further extensions
    openssl req -newkey rsa:2048 -nodes -sha256 -subj "/O=Rida tests/CN=$2" -keyout "$1.key" -out request 2>/dev/null
    printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\n%s\n' "$4" >extensions
    openssl x509 -req -in request -CA "$3.crt" -CAkey "$3.key" -set_serial "$serial" -sha256 -days $days \
        -extfile extensions -out "$1.crt" 2>/dev/null
    serial=$((serial + 1))
    rm request extensions
}

serial=1
authority ca "Rida test authority"
authority other-ca "another authority"
certificate signer mbs-rida01.example.org ca ""
certificate revoked mbs-rida02.example.org ca ""
certificate foreign mbs-rida01.example.org other-ca ""
certificate broker localhost ca "extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,IP:127.0.0.1"
certificate client rida ca "extendedKeyUsage=clientAuth"

: >index
echo 01 >number
printf '[ca]\ndefault_ca=own\n[own]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=%s\n' $days >settings
openssl ca -config settings -cert ca.crt -keyfile ca.key -gencrl -out nobody.pem 2>/dev/null
openssl ca -config settings -cert ca.crt -keyfile ca.key -gencrl -crl_lastupdate 20200101000000Z \
    -crl_nextupdate 20200108000000Z -out expired.pem 2>/dev/null
openssl ca -config settings -cert ca.crt -keyfile ca.key -revoke revoked.crt 2>/dev/null
openssl ca -config settings -cert ca.crt -keyfile ca.key -gencrl -out revoked.pem 2>/dev/null
rm -f index index.* number number.* settings
