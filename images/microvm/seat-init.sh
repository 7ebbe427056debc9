#!/bin/sh
# Runs the seat's program in a guest, as the learner; busybox starts it again when it ends. On the
# root disk of every seat as /sbin/clarateach-init; `rootfs build --init-script` puts another here.
# /run/clarateach/environment holds the seat's settings, as lines that a shell reads. In a guest that is kept
# ready it names a file, SEAT_SETTINGS, that the workspace server waits for. An init that does not hold this
# word is started when the guest has its seat.
set -a
. /run/clarateach/environment
set +a
chown 1000:1000 /workspace
[ -z "${SEAT_OPEN_FILES:-}" ] || ulimit -n "$SEAT_OPEN_FILES"
limits=--core=0
[ -z "${SEAT_PROCESSES:-}" ] || limits="$limits --nproc=$SEAT_PROCESSES"
unset SEAT_OPEN_FILES SEAT_PROCESSES SEAT_WAIT
cd /workspace || exit 1
exec prlimit $limits setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all -- /opt/clarateach/entrypoint.sh
