#!/bin/sh
# Runs one command within limits of time, disk and log, apart from whoever started it, and leaves behind how it ended.
#
#   supervise.sh STAGE SECONDS DISK_KIB SPARE_KIB LOG_BYTES LOG WATCHED GRACE COMMAND...
#
# Standard input is a locked file: the lock is free when this script is gone, however it went.
# STAGE/pid   this script and the command, which leads its process group, each with the time it started at in the kernel's
#             ticks
# STAGE/exit  how it ended: "ended CODE SECONDS", or time, disk, spare, log, canceled in place of "ended"
# SIGUSR1 ends the command. GRACE seconds pass between asking it to end and killing it.
set -u
umask 022
stage=$1 seconds=$2 disk=$3 spare=$4 log_bytes=$5 log=$6 watched=$7 grace=$8
shift 8
child= watcher=

clock() { # sets now, in whole seconds since the machine started
    read -r now _ </proc/uptime
    now=${now%%.*}
}

record() { # file, text
    printf '%s\n' "$2" >"$stage/$1.new" && mv -f "$stage/$1.new" "$stage/$1"
}

end_command() {
    if [ "$grace" -gt 0 ]; then
        kill -s TERM -- "-$child" 2>/dev/null
        left=$grace
        while [ "$left" -gt 0 ] && kill -s 0 -- "-$child" 2>/dev/null; do
            sleep 1 </dev/null
            left=$((left - 1))
        done
    fi
    kill -s KILL -- "-$child" 2>/dev/null
}

give_up() { # word
    record why "$1"
    end_command
    exit 0
}

watch() {
    next=0
    # Started in a shell of its own, which must not hold the lock, nor go on without the one that does.
    exec </dev/null >/dev/null 2>&1
    while sleep 1; do
        # Somebody killed the script that holds the lock. Nobody would find the command, which would be started again.
        kill -0 "$$" || {
            kill -s KILL -- "-$child"
            exit 0
        }
        clock
        [ $((now - begun)) -lt "$seconds" ] || give_up time
        [ "$(stat -c %s -- "$log")" -lt "$log_bytes" ] || give_up log
        if [ "$now" -ge "$next" ]; then
            began=$now
            # A file takes a block of the disk even when it is empty.
            used=$(du -s -k -- "$watched" 2>/dev/null | cut -f 1)
            files=$(du -s --inodes -- "$watched" 2>/dev/null | cut -f 1)
            [ "${used:-0}" -lt "$disk" ] && [ $((${files:-0} * 4)) -lt "$disk" ] || give_up disk
            left=$(df -k --output=avail -- "$watched" 2>/dev/null | tail -n 1)
            [ "${left:-$spare}" -ge "$spare" ] || give_up spare
            clock
            next=$((now + 5 * (now - began)))
        fi
    done
}

started() { # process; sets ticks, to nothing when it is gone
    ticks=
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    rest=${stat##*) }
    # The words are the kernel's own numbers.
    # shellcheck disable=SC2086
    field $rest
}
field() { shift 19; ticks=$1; }
started "$$"
begun_ticks=$ticks
clock
begun=$now
trap '' HUP
trap 'record why canceled; [ -z "$child" ] || end_command' USR1
rm -f -- "$stage/why" "$stage/out"
record pid "$$ $begun_ticks 0"
mkfifo -m 600 -- "$stage/out" || exit 1
: >>"$log"
prlimit --fsize="$log_bytes" cat <"$stage/out" >>"$log" 2>/dev/null &
logger=$!
setsid "$@" </dev/null >"$stage/out" 2>&1 &
child=$!
# At once: from here on somebody ends the command when this script is killed.
(watch) &
watcher=$!
started "$child"
record pid "$$ $begun_ticks $child $ticks"
[ ! -e "$stage/why" ] || end_command
while :; do
    wait "$child"
    code=$?
    # A signal ends the wait, not the command.
    kill -0 "$child" 2>/dev/null || break
done
kill "$watcher" 2>/dev/null
# Whoever still holds the log open outlived the command.
(
    exec </dev/null >/dev/null 2>&1
    sleep 3 && kill -KILL "$logger"
) &
killer=$!
wait "$logger"
kill "$killer" 2>/dev/null
kill -s KILL -- "-$child" 2>/dev/null
clock
word=ended
# A command that writes to a full log may end of it before anybody looks.
[ "$(stat -c %s -- "$log")" -lt "$log_bytes" ] || word=log
[ ! -e "$stage/why" ] || read -r word <"$stage/why"
rm -f -- "$stage/out"
record exit "$word $code $((now - begun))"
