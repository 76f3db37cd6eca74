#!/bin/sh
# Keeps a PostgreSQL server for as long as somebody holds the other end of the standard input, whatever becomes of them;
# then stops it and deletes its folder.
# usage: keeper.sh FOLDER BINARIES [AS...]   with AS a program and arguments to run others with, such as runuser
set -u
trap '' INT HUP TERM
folder=$1 binaries=$2
shift 2
while read -r _; do :; done
"$@" "$binaries/pg_ctl" stop --silent --pgdata "$folder/data" --mode immediate >/dev/null 2>&1
rm -rf "$folder"
