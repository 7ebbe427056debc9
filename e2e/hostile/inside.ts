/** Something a learner tries in their own shell. The script prints `hole` when it works, and ends. */
export interface InsideAttack {
  readonly name: string;
  readonly script: string;
}

export interface Surroundings {
  /** A port of the host that answers, by each of the host's addresses. */
  readonly hostAddresses: readonly string[];
  readonly hostPort: number;
  /** Another seat's address. */
  readonly neighbour: string | undefined;
}

const hole = (attempt: string) => `if { ${attempt}; } >/dev/null 2>&1; then echo hole; fi`;
const reach = (url: string) => hole(`curl -s --noproxy '*' -m 2 ${url}`);

/** Bounds that the seat of these attacks is given; beyond each, it must not get. */
export const MEMORY_MIB = 384;
export const PROCESSES = 128;

export function insideAttacks({ hostAddresses, hostPort, neighbour }: Surroundings): InsideAttack[] {
  return [
    { name: 'is root', script: hole('[ "$(id -u)" = 0 ]') },
    {
      name: 'has a capability',
      script: hole("grep -E '^Cap(Eff|Prm|Bnd|Amb):' /proc/self/status | grep -vE ':\\s+0{16}$'"),
    },
    { name: 'may gain privileges', script: hole("grep -E '^NoNewPrivs:\\s+0' /proc/self/status") },
    { name: 'runs without a seccomp filter', script: hole("grep -E '^Seccomp:\\s+0' /proc/self/status") },
    {
      name: 'finds a set-uid program that works',
      script: hole(
        '[ "$(find /usr/bin /bin -perm -4000 -type f -exec {} -c id -u \\; 2>/dev/null | head -1)" = 0 ]',
      ),
    },
    {
      name: 'finds the engine socket',
      script: hole(
        'ls /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock 2>/dev/null | grep -q .',
      ),
    },
    { name: "sees the host's disks", script: hole('[ -n "$(find /dev -type b 2>/dev/null)" ]') },
    {
      name: "sees the kernel's memory",
      script: hole('head -c 1 /dev/mem || head -c 1 /dev/kmem || head -c 1 /proc/kcore'),
    },
    { name: "reads the kernel's log", script: hole('dmesg || head -c 1 /dev/kmsg') },
    { name: "sees the host's processes", script: hole('[ "$(ls /proc | grep -c \'^[0-9]\')" -gt 40 ]') },
    {
      name: "sees the host's files",
      script: hole('[ -e /host/etc/passwd ] || grep -E " /host| /etc/shadow" /proc/mounts'),
    },
    { name: 'mounts a file system', script: hole('mount -t tmpfs none /mnt') },
    { name: "mounts the kernel's settings", script: hole('mount -t proc none /mnt') },
    { name: 'makes a user namespace', script: hole('unshare -U true') },
    { name: 'makes a mount namespace', script: hole('unshare -m true') },
    { name: 'makes a device', script: hole('mknod /tmp/disk b 8 0') },
    {
      name: 'changes the root file system',
      script: hole('touch /etc/planted || touch /usr/bin/planted || touch /planted'),
    },
    { name: 'runs a program in /run', script: hole('cp /bin/true /run/true && /run/true') },
    {
      name: 'writes /proc/sys',
      script: hole(
        'sh -c "echo 1 > /proc/sys/kernel/panic_on_oops" || sh -c "echo x > /proc/sys/kernel/core_pattern"',
      ),
    },
    { name: 'writes sysrq', script: hole('sh -c "echo h > /proc/sysrq-trigger"') },
    {
      name: 'writes /sys',
      script: hole('sh -c "echo > /sys/kernel/uevent_helper" || sh -c "echo 1 > /sys/kernel/mm/ksm/run"'),
    },
    {
      name: 'changes its own bounds',
      script: hole(
        'sh -c "for f in /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max; do [ -w \\$f ] && exit 0; done; exit 1"',
      ),
    },
    {
      name: 'loads a kernel module',
      script: hole(
        'python3 -c "import ctypes,sys; sys.exit(ctypes.CDLL(None,use_errno=True).syscall(176,b\'x\',0) == -1 and ctypes.get_errno() == 1)"',
      ),
    },
    {
      name: 'uses the keyring',
      script: hole(
        "python3 -c \"import ctypes,sys; sys.exit(ctypes.CDLL(None,use_errno=True).syscall(248,b'user',b'a',b'b',1,-3) == -1)\"",
      ),
    },
    {
      name: 'makes raw packets',
      script: hole('python3 -c "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"'),
    },
    {
      name: 'listens to the network',
      script: hole('python3 -c "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)"'),
    },
    { name: 'sets the clock', script: hole('date -s "@$(date +%s)"') },
    { name: 'sets the host name', script: hole('hostname planted') },
    ...hostAddresses.map((address) => ({
      name: `reaches the host by ${address}`,
      script: reach(`http://${address}:${hostPort}/`),
    })),
    ...(neighbour === undefined
      ? []
      : [{ name: 'reaches another seat', script: reach(`http://${neighbour}:3001/health`) }]),
    { name: 'reaches the metadata address', script: reach('http://169.254.169.254/') },
    { name: 'has a way out by IPv6', script: hole('[ -n "$(ip -6 route show default)" ]') },
    {
      // Waits for each child: in the container with holes they would fall to the engine's shim, which can
      // hang when so many end at once.
      name: 'has more processes than it may',
      script: `python3 -c '
import os, signal, time
children = []
try:
    while len(children) < ${PROCESSES + 60}:
        child = os.fork()
        if child == 0: time.sleep(60); os._exit(0)
        children.append(child)
    print("hole")
except OSError: pass
for child in children: os.kill(child, signal.SIGKILL)
for child in children: os.waitpid(child, 0)'`,
    },
    {
      name: 'has more memory than it may',
      script: hole(`python3 -c 'b = bytearray(${MEMORY_MIB + 80} << 20); b[::4096] = b"x" * len(b[::4096])'`),
    },
    {
      name: 'opens more files than it may',
      script: hole(
        'python3 -c \'import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (5000, 5000)); files = [open("/dev/null") for _ in range(4500)]\'',
      ),
    },
    {
      name: 'fills /tmp beyond its bound',
      script: `${hole('head -c 300M /dev/zero > /tmp/full')}; rm -f /tmp/full`,
    },
    {
      name: 'fills /dev/shm beyond its bound',
      script: `${hole('head -c 100M /dev/zero > /dev/shm/full')}; rm -f /dev/shm/full`,
    },
  ];
}
