import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { WorkshopId } from '@clarateach/contract/ids';
import { ProviderError } from '../../provider.ts';
import { Addresses, parseBridgeAddress } from './addresses.ts';
import { networkRules } from './network-rules.ts';
import { qemuArguments, tscOf } from './qemu.ts';
import { guestImages, shellEnvironment } from './seat-disks.ts';
import { rootfsFile } from './settings.ts';
import type { VmConfig } from './vmm.ts';

const run = promisify(execFile);
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clarateach-parts-'));
});
after(() => rm(directory, { recursive: true, force: true }));

describe('addresses of seats', () => {
  const bridge = parseBridgeAddress('192.168.100.1/28');
  const seat = (workshop: string, number: number) => ({ workshop: workshop as WorkshopId, seat: number });

  it('begin at .11, and stay with their seat until it gives them back', async () => {
    const addresses = new Addresses(join(directory, 'stay'));
    assert.equal(await addresses.claim(seat('ws-aaaaaaaa', 1), bridge), '192.168.100.11');
    assert.equal(
      await new Addresses(join(directory, 'stay')).claim(seat('ws-aaaaaaaa', 1), bridge),
      '192.168.100.11',
    );
    await addresses.release(seat('ws-aaaaaaaa', 1));
    assert.deepEqual(await addresses.owners(), []);
  });

  it('never collide, though seats of two workshops have equal numbers and ask at once', async () => {
    const asking = ['ws-aaaaaaaa', 'ws-bbbbbbbb'].flatMap((workshop) =>
      [1, 2].map((number) => new Addresses(join(directory, 'many')).claim(seat(workshop, number), bridge)),
    );
    const given = await Promise.all(asking);
    assert.equal(new Set(given).size, 4);
    await assert.rejects(
      new Addresses(join(directory, 'many')).claim(seat('ws-cccccccc', 1), bridge),
      (error) => error instanceof ProviderError && error.kind === 'capacity',
    );
  });

  it('are given anew when the operator has moved the network', async () => {
    const addresses = new Addresses(join(directory, 'moved'));
    await addresses.claim(seat('ws-aaaaaaaa', 1), bridge);
    const moved = await addresses.claim(seat('ws-aaaaaaaa', 1), parseBridgeAddress('10.9.0.1/24'));
    assert.equal(moved, '10.9.0.11');
    assert.deepEqual([...(await addresses.all()).keys()], ['10.9.0.11']);
  });

  it('need a network with room for them', () => {
    for (const text of ['192.168.100.1/30', '192.168.100.1', 'fd00::1/64']) {
      assert.throws(() => parseBridgeAddress(text), TypeError, text);
    }
  });
});

describe('the command line of QEMU', () => {
  const config: VmConfig = {
    name: 'clarateach-ws-abcdefgh-seat-01',
    directory: '/state/seat/run',
    kernel: '/images/vmlinux',
    initrd: '/images/initrd.cpio',
    parameters: { SEAT_HOSTNAME: 'seat-01' },
    memoryMiB: 512,
    cpus: 2,
    disks: [
      { id: 'root', path: '/images/rootfs.ext4', readOnly: true },
      { id: 'changes', path: 'changes.ext4', readOnly: false },
      { id: 'workspace', path: '/state/seat/workspace.ext4', readOnly: false },
    ],
    network: { port: 'ct123456-640b', mac: '02:00:c0:a8:64:0b' },
    uid: 1_900_000_011,
  };

  it('has one processor in software, and as many as asked for on KVM', () => {
    const cpus = (acceleration: 'kvm' | 'emulation') => {
      const args = qemuArguments(config, { acceleration, tscKhz: undefined });
      return args[args.indexOf('-smp') + 1];
    };
    assert.deepEqual([cpus('emulation'), cpus('kvm')], ['1', '2']);
  });

  it('opens what lies elsewhere by inherited files, and writes only where it may', () => {
    const drives = qemuArguments(config, { acceleration: 'emulation', tscKhz: 2_596_118 }).filter((each) =>
      each.startsWith('id='),
    );
    assert.match(drives[0] ?? '', /file=\/dev\/fd\/5,.*readonly=on$/);
    assert.match(drives[1] ?? '', /file=changes\.ext4,(?!.*readonly)/);
    assert.match(drives[2] ?? '', /file=\/dev\/fd\/6,(?!.*readonly)/);
  });

  it('appends to the file of the console, which is cut while it runs', () => {
    const args = qemuArguments(config, { acceleration: 'kvm', tscKhz: undefined }).join(' ');
    assert.match(args, /logfile=console\.log,logappend=on/);
  });

  it('tells the guest the frequency of the counter only where it is known', () => {
    const flags = 'flags\t\t: fpu constant_tsc';
    assert.equal(tscOf(`cpu MHz\t\t: 2596.118\n${flags}\n`), 2_596_118);
    assert.equal(tscOf(`cpu MHz\t\t: 2596.118\n${flags} aperfmperf\n`), undefined);
    assert.equal(tscOf('flags : fpu\n'), undefined);
    const args = qemuArguments(config, { acceleration: 'emulation', tscKhz: undefined });
    assert.doesNotMatch(args.join(' '), /tsc_early_khz/);
  });
});

describe('what a guest is given', () => {
  it('reads in a shell as it was meant, whatever is in it', async () => {
    const value = `it's "a"\n$(touch /never) \\ value`;
    const { stdout } = await run('/bin/sh', ['-c', `${shellEnvironment({ NAME: value })}printf %s "$NAME"`]);
    assert.equal(stdout, value);
    assert.throws(() => shellEnvironment({ 'A B': '1' }), ProviderError);
    assert.throws(() => shellEnvironment({ A: '\0' }), ProviderError);
  });

  it('is refused with a remedy when an image is missing or damaged', async () => {
    await assert.rejects(guestImages(directory), /no guest kernel at .*microvm setup/);
    const kernel = Buffer.concat([Buffer.from('\x7fELF'), Buffer.alloc(4096)]);
    const broken = Buffer.from(kernel);
    broken.writeBigUInt64LE(100_000n, 40);
    await writeFile(join(directory, 'vmlinux'), broken);
    await assert.rejects(guestImages(directory), /guest kernel at .* is damaged.*microvm setup/);
    await writeFile(join(directory, 'vmlinux'), kernel);
    await writeFile(
      join(directory, 'initrd.cpio'),
      Buffer.concat([Buffer.from('070701'), Buffer.alloc(4096)]),
    );
    await assert.rejects(guestImages(directory), /no root disk at .*rootfs build/);
    const disk = Buffer.alloc(8192);
    disk.writeUInt16LE(0xef53, 0x438);
    disk.writeUInt32LE(1024, 0x404);
    await writeFile(join(directory, 'rootfs.ext4'), disk);
    await assert.rejects(guestImages(directory), /root disk at .* is damaged/);
    disk.writeUInt32LE(8, 0x404);
    await writeFile(join(directory, 'rootfs.ext4'), disk);
    const { rootfs } = await guestImages(directory, 'clarateach-workspace');
    assert.equal(rootfs, join(directory, 'rootfs.ext4'));
    if (process.getuid?.() === 0) {
      await chmod(join(directory, 'initrd.cpio'), 0o640);
      await assert.rejects(guestImages(directory), /read by root alone, .*`chmod 644 .*initrd\.cpio`/);
      await chmod(join(directory, 'initrd.cpio'), 0o644);
    }
    const own = 'registry.example/a/../class:1';
    await assert.rejects(
      guestImages(directory, own),
      /no root disk of the image registry\.example\/a\/\.\.\/class:1 at .*`clarateach rootfs build --image/,
    );
    assert.equal(dirname(rootfsFile(directory, own)), directory);
    await writeFile(rootfsFile(directory, own), disk);
    assert.equal((await guestImages(directory, own)).rootfs, rootfsFile(directory, own));
  });
});

describe('the rules around the seats', () => {
  it('let a seat speak under its own names only', () => {
    const rules = networkRules({
      table: 'clarateach-vm-0123456789ab',
      bridge: 'clarateach0',
      ports: 'ct123456-',
      subnet: '192.168.100.0/24',
      seats: [{ port: 'ct123456-640b', mac: '02:00:c0:a8:64:0b', address: '192.168.100.11' }],
      resolvers: ['10.0.0.2', 'fd00::1'],
      uid: 0,
    });
    assert.match(rules, /elements = \{ "ct123456-640b" \. 02:00:c0:a8:64:0b \. 192\.168\.100\.11 \}/);
    assert.match(rules, /ip daddr \{ 10\.0\.0\.2 \} meta l4proto \{ tcp, udp \} th dport 53 accept/);
    assert.match(rules, /169\.254\.0\.0\/16/);
  });
});
