#!/bin/sh
# Becomes the sandbox: mounts what the command may see in a mount namespace of its own, unpacks packages into its root,
# and runs the command in new namespaces without any privilege.
#
#   sandbox.sh WORK -- COMMAND...
#
# WORK holds: sources (read only inside), build and results (writable inside), rpms (to be unpacked into the root),
# root (where they are unpacked), etc (the start of /etc), view (a mount point).
# RIDA_STAGE      an empty folder of this machine to mount on, seen by nobody else
# RIDA_BECOME     the user id to give root's rights up for, or nothing
# RIDA_BWRAP      more words for bwrap
# RIDA_SHM        the size of /dev/shm
# RIDA_LIMITS     words for prlimit
set -eu
work=$1
shift 2
started_by=$PPID
stage=$RIDA_STAGE become=$RIDA_BECOME more=$RIDA_BWRAP shm=$RIDA_SHM limits=$RIDA_LIMITS
unset OLDPWD RIDA_STAGE RIDA_BECOME RIDA_BWRAP RIDA_SHM RIDA_LIMITS
echo 500 >/proc/self/oom_score_adj 2>/dev/null || :
cd -- "$work"

# One place for all, which the command's user can reach whatever the way to WORK is.
mount -t tmpfs -o size=1m,mode=755,nosuid,nodev tmpfs view
for name in sources build results rpms root; do
    mkdir "view/$name"
    mount --bind -- "$name" "view/$name"
done
mkdir view/usr view/etc view/shm
mount -t tmpfs -o "size=$shm,mode=1777,nosuid,nodev" tmpfs view/shm
mount --rbind -- view "$stage"

# $limits and $more are words on purpose.
# shellcheck disable=SC2086
jail() {
    set -- --die-with-parent --new-session --unshare-user --unshare-all $more --cap-drop ALL \
        --uid 1000 --gid 1000 --hostname builder \
        --proc /proc --dev /dev --bind "$stage/shm" /dev/shm --remount-ro /dev \
        --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64 "$@"
    if [ -n "$become" ]; then
        exec nice -n 5 setpriv --reuid "$become" --regid "$become" --clear-groups --no-new-privs bwrap "$@"
    fi
    exec nice -n 5 bwrap "$@"
}

# Folders that packages unpack into are mount points meanwhile: no package can put a link in their place.
if [ -n "$(ls -A rpms)" ]; then
    # shellcheck disable=SC2086,SC2016
    (jail --ro-bind /usr /usr --ro-bind /etc/alternatives /etc/alternatives --ro-bind "$stage/rpms" /rpms --dir /root \
        --bind "$stage/root/usr" /root/usr --bind "$stage/root/etc" /root/etc --bind "$stage/root/opt" /root/opt \
        --bind "$stage/root/srv" /root/srv --bind "$stage/root/var" /root/var \
        --symlink usr/bin /root/bin --symlink usr/sbin /root/sbin \
        --symlink usr/lib /root/lib --symlink usr/lib64 /root/lib64 --remount-ro / --chdir / \
        -- prlimit $limits -- sh -c 'for rpm in /rpms/*.rpm; do
            rpm2archive - <"$rpm" | tar -x -z -p -C /root --no-same-owner --keep-directory-symlink || exit 1
        done') || { echo "error: a package of the module cannot be unpacked into the root" >&2; exit 125; }
fi

# Names relative to WORK hold no character that means something in a list of mount options.
mount -t overlay -o ro,nosuid,nodev,lowerdir=root/usr:/usr overlay "$stage/usr"
mount -t overlay -o ro,nosuid,nodev,lowerdir=root/etc:etc overlay "$stage/etc"

# The way from here to the sandbox is exec alone: it dies with the supervisor that started this script.
read -r stat </proc/self/stat
rest=${stat##*) }
parent=${rest#* }
[ "${parent%% *}" = "$started_by" ] || exit 125
# shellcheck disable=SC2086
jail --ro-bind "$stage/usr" /usr --ro-bind "$stage/etc" /etc --ro-bind "$stage/root/opt" /opt \
    --ro-bind "$stage/root/srv" /srv --ro-bind "$stage/root/var" /var --bind "$stage/build/tmp" /var/tmp \
    --bind "$stage/build/tmp" /tmp --dir /run --ro-bind "$stage/sources" /sources --bind "$stage/build" /build \
    --bind "$stage/results" /results --remount-ro / --chdir /build \
    -- prlimit $limits -- "$@"
