import type { Rate } from './rates.ts';

/** A disk of a guest, named for the guest's init by `id`. */
export interface VmDisk {
  readonly id: 'root' | 'changes' | 'workspace' | 'config';
  /** Absolute, or relative to `vm` in the VM's directory. */
  readonly path: string;
  readonly readOnly: boolean;
}

export interface VmConfig {
  /** Shown in process lists. */
  readonly name: string;
  /**
   * The VM's own: all that is known of it lies here. Its process works in `vm` below, which exists
   * before the start and belongs to `uid`.
   */
  readonly directory: string;
  readonly kernel: string;
  readonly initrd: string;
  /** `KEY=value` for the guest's init; seen in process lists, so never a secret. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** In the order in which the guest sees them. */
  readonly disks: readonly VmDisk[];
  /** Undefined for a guest without a network. */
  readonly network: VmNetworkDevice | undefined;
  /** Whom the process becomes, and who may use the disks; undefined to stay who starts it. */
  readonly uid: number | undefined;
  /** `boot` when left out. */
  readonly begin?: VmBeginning | undefined;
}

/** The guest's one network device, at a tap in a network namespace that only its VM's process is in. */
export interface VmNetworkDevice {
  /** The port of the host's bridge that the namespace is joined to by a pair; undefined for none: a blank guest. */
  readonly port: string | undefined;
  readonly mac: string;
}

/** How a guest comes to be: booted, booted so that it can be saved, or as a copy of one that was. */
export type VmBeginning =
  | { readonly kind: 'boot' }
  | { readonly kind: 'to-save' }
  | { readonly kind: 'copy'; readonly of: SavedGuest };

/** A guest that was saved while it waited, as two files that the VM's user may read. */
export interface SavedGuest {
  /** Its memory. Copies share it until they write; it can be written by nobody. */
  readonly memory: string;
  /** Its processor and devices. */
  readonly state: string;
}

/** What the guest's console says on its way: how the line begins. */
export const GUEST_LINES = {
  /** Its own init has begun, or goes on in a copy. A guest that hangs before that never comes up. */
  begins: 'clarateach: init',
  /** Programs of a guest that is kept ready wait for whoever takes it. */
  isReady: 'clarateach: waits for its seat',
  /** It knows whose it is, and its programs go on. */
  isTaken: 'clarateach: has its seat',
} as const;
export type GuestLine = keyof typeof GUEST_LINES;

/** `absent`: never started in this directory. `ended`: with what its console said last. */
export type VmState =
  | { readonly state: 'absent' }
  | { readonly state: 'running' }
  | { readonly state: 'ended'; readonly reason: string };

/**
 * A virtual machine monitor: one process for each VM. It keeps nothing in memory: everything is
 * found again by the VM's directory, by another process as well.
 */
export interface Vmm {
  readonly name: 'firecracker' | 'qemu';
  /** How it runs guests on this machine: hardware, or much slower software. */
  readonly acceleration: 'kvm' | 'emulation';

  /** What a seat may send and be sent, where the host is to see to it; undefined where the VMM does. */
  readonly hostRate?: Rate;

  /** After: the VM runs, and its guest begins to start. The directory holds no other VM. */
  start(config: VmConfig, signal: AbortSignal): Promise<void>;

  state(directory: string): Promise<VmState>;

  /** Whether the guest's console has said so. */
  hasSaid(directory: string, what: GuestLine): Promise<boolean>;

  /** Undefined where guests cannot be saved. */
  readonly snapshots?: VmSnapshots | undefined;

  /** Seconds of processor time that the VM has used. */
  processorSeconds(directory: string): Promise<number>;

  /** Asks the guest to bring its files to rest and end; false when it did not within `graceMs`. */
  leave(directory: string, graceMs: number): Promise<boolean>;

  /** After: the VM does not run. One that has ended is no error. */
  kill(directory: string): Promise<void>;
}

/** Saved guests have the disks and the network device of the one that was saved, in size and order. */
export interface VmSnapshots {
  /** What else than the images and the shape of a guest a saved one depends on: VMM and processor. */
  readonly dependsOn: string;
  /**
   * What copies share: `sealed` for a VMM that opens its memory for writing, so that only a sealed memory
   * file keeps copies apart; `file` for one that only reads it, so that the saved file itself does.
   */
  readonly memory: 'sealed' | 'file';
  /** Saves a guest that waits and was started `to-save`. After: both files are there, and its VM has ended. */
  save(config: VmConfig, into: SavedGuest, signal: AbortSignal): Promise<void>;
  /** Whether the guest has come to where it waits. */
  waits(directory: string): Promise<boolean>;
  /** Lets a guest that waits go on. */
  wake(directory: string): Promise<void>;
}
