#!/bin/sh
# First process of a seat's guest: loads the drivers, puts the seat's disks together, takes the
# address, and gives way to the init of busybox, which runs /sbin/clarateach-init of the root disk.
#
# The kernel hands these on from its command line, which is the same for all seats:
#   SEAT_TRIAL    only show that a guest comes up on this machine, and end
#   SEAT_WAIT     be nobody's yet: make ready what is the same for all seats, and wait for a word on
#                 the console. A guest is saved here, and every copy of it goes on from here.
# Whose seat it is comes on a disk of its own, as an archive:
#   identity      SEAT_ADDRESS (with prefix length), SEAT_GATEWAY (the host's address on the bridge),
#                 SEAT_MAC, SEAT_HOSTNAME, SEAT_TIME (seconds since 1970, now)
#   environment, resolv.conf, and a seed for random numbers
# A guest that is kept ready for whoever comes finds SEAT_LATER there instead of a host name. It starts the
# seat's programs, which wait for /run/seat/settings.json. A second word on the console says that the disk
# has been written anew, with all of the above and settings.json, the environment as an object.
export PATH=/bin
fail() {
  echo "clarateach: $*"
  sync
  reboot -f
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
# The host looks for this line: a guest that never prints it hangs, and is started again.
echo 'clarateach: init'
[ -z "$SEAT_TRIAL" ] || reboot -f

# A VMM without ACPI tables names its devices on the command line, for the driver to be given.
mmio=
for word in $(cat /proc/cmdline); do
  case $word in virtio_mmio.device=*) mmio="$mmio ${word#virtio_mmio.}" ;; esac
done
for module in $(cat /modules/order); do
  if [ "$module" = virtio_mmio.ko ]; then
    insmod "/modules/$module" $mmio
  else
    insmod "/modules/$module"
  fi || fail "the driver $module does not load"
done

# A disk by the serial number that the VMM gave it; where it gives none, by its place.
disk() {
  place=0
  for entry in /sys/block/vd*; do
    if [ "$(cat "$entry/serial" 2>/dev/null)" = "$1" ]; then
      echo "/dev/${entry##*/}"
      return
    fi
  done
  for entry in /sys/block/vd*; do
    [ "$place" = "$2" ] && echo "/dev/${entry##*/}"
    place=$((place + 1))
  done
}
root=$(disk root 0) changes=$(disk changes 1) workspace=$(disk workspace 2) config=$(disk config 3)
[ -b "$config" ] || fail 'a disk of the seat is missing'
mount -t ext4 -o ro,noatime "$root" /lower || fail 'the root disk cannot be read'

# What was killed takes a while to let go of its files on a machine that has others to serve.
let_go() {
  tries=0
  until umount "$1" 2>/dev/null; do
    [ $tries -lt 200 ] || fail 'a program of the seat has stayed'
    usleep 50000
    tries=$((tries + 1))
  done
}

# Whether the seat's two servers take connections; without a program of its own, which costs as much as it asks.
listens() {
  found=0
  for table in /proc/net/tcp /proc/net/tcp6; do
    while read -r number address peer state rest; do
      case $address:$state in *:0BB9:0A | *:0BBA:0A) found=$((found + 1)) ;; esac
    done <$table
  done
  [ $found -ge 2 ]
}

# Programs of a seat that ran once are in memory for all who go on from here, so one runs for a moment,
# as nobody's. Nothing of it stays: a program that has drawn random numbers would draw the same in
# every copy. No connection is made, so that the kernel's own secrets of connections come later, too.
warm() {
  mount -t tmpfs tmpfs /changes
  mkdir -p /changes/upper /changes/work
  mount -t overlay -o lowerdir=/lower,upperdir=/changes/upper,workdir=/changes/work overlay /root
  for place in workspace run tmp; do mount -t tmpfs tmpfs /root/$place; done
  for place in dev proc sys; do mount --bind /$place /root/$place; done
  mkdir -p /root/dev/pts /root/run/clarateach
  mount -t devpts -o gid=5,mode=620 devpts /root/dev/pts
  ip link set lo up
  echo SEAT=0 >/root/run/clarateach/environment
  chroot /root /sbin/clarateach-init >/dev/null 2>&1 &
  tries=0
  until listens || [ $tries -ge 120 ]; do
    sleep 1
    tries=$((tries + 1))
  done
  # The shell behind the terminal comes last.
  sleep 2
  kill -KILL -1
  # No `wait`: what they held tells that they have ended, and a guest was seen idle for good about here.
  for place in root/dev/pts root/dev root/proc root/sys root/workspace root/run root/tmp root changes; do
    let_go /$place
  done
  ip link set lo down
}

if [ -n "$SEAT_WAIT" ]; then
  warm
  echo 'clarateach: waits'
  read -r word
  [ "$word" = go ] || fail 'this guest is not wanted'
  echo 'clarateach: init goes on'
fi

mkdir -m 700 /config
tar -x -f "$config" -C /config || fail 'the settings of the seat cannot be read'
# The kernel's generator takes up what is written at its next own time, and copies of one guest would
# draw the same numbers until then. Only a guest that has just been booted may be too young for it.
cat /config/seed >/dev/urandom
rm /config/seed
/bin/reseed </dev/urandom || [ -z "$SEAT_WAIT" ] || fail 'the random numbers of the seat are not its own'
. /config/identity
rm /config/identity
[ "$(date +%s)" -ge "$SEAT_TIME" ] || date -s "@$SEAT_TIME" >/dev/null

mount -t ext4 -o noatime "$changes" /changes || fail 'the disk of changes cannot be used'
mkdir -p /changes/upper /changes/work
mount -t overlay -o lowerdir=/lower,upperdir=/changes/upper,workdir=/changes/work overlay /root ||
  fail 'the root of the seat cannot be put together'
# A save that the workspace server has answered is on disk; all else is at most a second behind.
mount -t ext4 -o noatime,nosuid,nodev,commit=1 "$workspace" /root/workspace ||
  fail 'the disk with the files of the seat cannot be used'

# A learner's folder begins empty.
rmdir /root/workspace/lost+found 2>/dev/null

mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /root/run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /root/tmp
mkdir -p -m 700 /root/run/clarateach
cp /config/* /bin/busybox /root/run/clarateach/

tr -d - </proc/sys/kernel/random/uuid >/root/etc/machine-id
rm -f /root/etc/resolv.conf
cp /root/run/clarateach/resolv.conf /root/etc/resolv.conf
# Names the guest: with $b, the busybox to use, and $top, where the root of the seat is.
cat >/root/run/clarateach/name <<'END'
$b hostname "$SEAT_HOSTNAME"
echo "$SEAT_HOSTNAME" >"$top/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost\n' "$SEAT_HOSTNAME" >"$top/etc/hosts"
END
b=busybox top=/root
[ -n "$SEAT_LATER" ] || . /root/run/clarateach/name
ip link set lo up
ip link set eth0 address "$SEAT_MAC"
ip address add "$SEAT_ADDRESS" dev eth0
ip link set eth0 up
ip route add default via "$SEAT_GATEWAY"

busybox=/run/clarateach/busybox
cat >/root/etc/inittab <<END
::respawn:$busybox sh /run/clarateach/seat
::respawn:$busybox sh /run/clarateach/console
::ctrlaltdel:$busybox sh /run/clarateach/leave
END
cat >/root/run/clarateach/seat <<END
[ -e /run/clarateach/leaving ] && exec $busybox sleep 60
if [ -e /run/clarateach/held ]; then
  echo 'clarateach: waits for its seat'
  while [ -e /run/clarateach/held ]; do $busybox usleep 50000; done
fi
exec /sbin/clarateach-init
END
# Whoever may write to the console from outside is the VMM: its words are to take a seat, and to leave.
cat >/root/run/clarateach/console <<END
read -r word </dev/console
case \$word in
  go) [ ! -e /run/clarateach/take ] || exec $busybox sh /run/clarateach/take ;;
  leave) exec $busybox sh /run/clarateach/leave ;;
esac
END
if [ -n "$SEAT_LATER" ]; then
  mkdir /root/run/seat
  # Programs of an older image, or an init of somebody else's, are started when all is known.
  grep -qs SEAT_SETTINGS /root/sbin/clarateach-init && grep -qs SEAT_SETTINGS /root/opt/clarateach/workspace/server.cjs ||
    : >/root/run/clarateach/held
  cat >/root/run/clarateach/take <<END
b=$busybox top=
exec </dev/null >/dev/console 2>&1
cd /run/clarateach
# What was read from the disk before was nobody's.
\$b blockdev --flushbufs $config
\$b mkdir -m 700 taken && \$b tar -x -f $config -C taken || exit
\$b cat taken/seed >/dev/urandom
. taken/identity
. ./name
\$b chown 1000:1000 taken/settings.json
\$b mv taken/environment environment
# Last: the seat's programs go on as soon as they see it.
\$b mv taken/settings.json /run/seat/settings.json
\$b rm -rf held taken take
echo 'clarateach: has its seat'
END
fi
# Programs get a second and a half to end; then the files are brought to rest, and the guest ends.
cat >/root/run/clarateach/leave <<END
b=$busybox
exec </dev/null >/dev/console 2>&1
cd /
: >/run/clarateach/leaving
kill -TERM -1
\$b sync
tries=0
until \$b umount /workspace 2>/dev/null || [ \$tries -ge 15 ]; do \$b usleep 100000; tries=\$((tries + 1)); done
if [ \$tries -ge 15 ]; then
  kill -KILL -1
  \$b usleep 100000
  \$b umount /workspace || \$b mount -o remount,ro /workspace
fi
\$b sync
echo 'clarateach: left'
\$b reboot -f
END
for place in dev proc sys; do mount --move "/$place" "/root/$place"; done
mkdir -p /root/dev/pts /root/dev/shm
mount -t devpts -o gid=5,mode=620,nosuid,noexec devpts /root/dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /root/dev/shm
exec switch_root /root "$busybox" init
