#!/bin/sh
# First process of a seat's guest: loads the drivers, puts the seat's disks together, takes the
# address, and gives way to the init of busybox, which runs /sbin/clarateach-init of the root disk.
#
# The kernel hands these on from its command line:
#   SEAT_ADDRESS  address and prefix length     SEAT_GATEWAY  the host's address on the bridge
#   SEAT_HOSTNAME SEAT_TIME (seconds since 1970, when the guest was started)
#   SEAT_TRIAL    only show that a guest comes up on this machine, and end
# Secrets come on a disk of their own, never here.
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
tar -x -f "$config" -C /root/run/clarateach || fail 'the settings of the seat cannot be read'
cp /bin/busybox /root/run/clarateach/busybox
cat /root/run/clarateach/seed >/dev/urandom
rm /root/run/clarateach/seed
[ "$(date +%s)" -ge "${SEAT_TIME:-0}" ] || date -s "@$SEAT_TIME" >/dev/null

hostname "$SEAT_HOSTNAME"
echo "$SEAT_HOSTNAME" >/root/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost\n' "$SEAT_HOSTNAME" >/root/etc/hosts
rm -f /root/etc/resolv.conf
cp /root/run/clarateach/resolv.conf /root/etc/resolv.conf
ip link set lo up
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
exec /sbin/clarateach-init
END
# Whoever may write to the console from outside is the VMM, and its one word is to leave.
cat >/root/run/clarateach/console <<END
read -r word </dev/console
[ "\$word" = leave ] && exec $busybox sh /run/clarateach/leave
END
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
