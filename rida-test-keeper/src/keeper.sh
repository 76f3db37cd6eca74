#!/bin/sh
# Waits until its standard input ends, which is when the test process is gone, however it went. Then ends every program
# that has the folder in its command line, and deletes the folder.
#
# The folder is the first line of the input, not an argument: otherwise this and its children would be such programs.
set -u
trap '' INT HUP TERM QUIT
read -r folder || exit 1
while read -r _; do :; done

programs() {
    for process in $(printf '%s\n' "$folder" | grep -l -s -a -F -f - /proc/[0-9]*/cmdline); do
        process=${process#/proc/}
        echo "${process%/cmdline}"
    done
}

# Some stop at the first, some wait for their clients until the second.
for signal in TERM INT QUIT; do
    ended=$(programs)
    [ -n "$ended" ] || break
    # The words are numbers.
    # shellcheck disable=SC2086
    kill -s "$signal" $ended 2>/dev/null
    for _ in 1 2 3 4 5 6; do
        [ -n "$(programs)" ] || break
        sleep 0.2
    done
done
# What is being started while it is looked for is found the next time.
for _ in 1 2 3 4 5; do
    ended=$(programs)
    [ -n "$ended" ] || break
    # shellcheck disable=SC2086
    kill -s KILL $ended 2>/dev/null
    sleep 0.2
done
rm -rf -- "$folder"
