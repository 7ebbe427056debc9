import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type ApiShape, type ApiShapes, SHAPES_FILE } from './testing-firecracker-api.ts';

/**
 * A stand-in for Firecracker's API, for tests: takes each request only in the shape that Firecracker's
 * own description gives it and in the state that Firecracker takes it in, and words its refusals as
 * Firecracker does.
 */
export interface FirecrackerStandIn {
  readonly server: Server;
  readonly requests: readonly {
    readonly method: string;
    readonly path: string;
    readonly body: Record<string, unknown>;
  }[];
  readonly state: State;
}

export interface StandInGuest {
  onStart(bootArgs: string): void;
  onCtrlAltDel(): void;
  onRequest?(request: FirecrackerStandIn['requests'][number]): void;
  /** A copy of a saved guest goes on. */
  onResume?(): void;
  /** After a snapshot that could not be loaded Firecracker answers, and ends. */
  onBroken?(): void;
  /** Writes a file of a snapshot; returns what the system says against it. A stand-in without files writes none. */
  write?(path: string, content: string): string | undefined;
  /** What a file of a snapshot holds; undefined when it cannot be read. */
  read?(path: string): string | undefined;
  /** Whether a file that a request names can be opened; a stand-in without files takes any. */
  hasFile?(path: string, access: 'read' | 'write'): boolean;
  /** Whether there is a tap of that name; a stand-in without a network takes any. */
  hasTap?(name: string): boolean;
}

type State = 'Not started' | 'Running' | 'Paused';
type Body = Record<string, unknown>;

const shapes = JSON.parse(readFileSync(SHAPES_FILE, 'utf8')) as ApiShapes;
const SAID = 'An error occurred when deserializing the json body of a request:';
const BEFORE = 'The requested operation is not supported before starting the microVM.';
const AFTER = 'The requested operation is not supported after starting the microVM.';

/** Requests that a VM takes while it runs or is paused, and not before it was started. */
const RUNTIME = [
  'PATCH /vm',
  'PUT /snapshot/create',
  'PATCH /drives/{drive_id}',
  'PATCH /network-interfaces/{iface_id}',
  'PATCH /pmem/{id}',
  'PATCH /balloon',
  'PATCH /balloon/statistics',
  'PATCH /balloon/hinting/start',
  'PATCH /balloon/hinting/stop',
  'PATCH /hotplug/memory',
];
const NO_FILE = 'No such file or directory (os error 2)';
const ALWAYS = ['PUT /mmds', 'PATCH /mmds', 'PUT /actions'];

export function firecrackerStandIn(guest: StandInGuest): FirecrackerStandIn {
  const requests: { method: string; path: string; body: Body }[] = [];
  const machine = { state: 'Not started' as State, kernel: false, configured: false, bootArgs: '' };
  const drives = new Map<string, Body>();
  const networks = new Map<string, Body>();

  /** What is wrong with the request; undefined when it has been carried out. */
  function refusal(method: string, path: string, body: Body | undefined): string | undefined {
    const operation = Object.keys(shapes.operations).find((each) => fits(each, method, path));
    if (operation === undefined) return `Invalid request method and/or path: ${method} ${path}.`;
    const shape = shapes.operations[operation];
    if (shape) {
      if (body === undefined) return `${SAID} EOF while parsing a value.`;
      const fault = faultOf(shape, body, '');
      if (fault !== undefined) return `${SAID} ${fault}`;
    }
    if (method === 'GET') return undefined;
    const given = body ?? {};
    const runs = machine.state !== 'Not started';
    if (RUNTIME.includes(operation) && !runs) return BEFORE;
    if (!RUNTIME.includes(operation) && !ALWAYS.includes(operation) && runs) return AFTER;
    return carryOut(operation, path, given);
  }

  function carryOut(operation: string, path: string, body: Body): string | undefined {
    const id = body.drive_id ?? body.iface_id ?? body.id;
    const named = /\{[a-z_]+\}$/.test(operation) ? path.slice(path.lastIndexOf('/') + 1) : undefined;
    if (named !== undefined && named !== id) {
      return `The id from the path [${named}] does not match the id from the body [${id}]!`;
    }
    switch (operation) {
      case 'PUT /actions':
        return act(String(body.action_type));
      case 'PATCH /vm':
        machine.state = body.state === 'Paused' ? 'Paused' : 'Running';
        return undefined;
      case 'PUT /snapshot/create':
        return machine.state === 'Paused'
          ? save(String(body.snapshot_path), String(body.mem_file_path))
          : 'Cannot create a snapshot of a running microVM. Pause the microVM before.';
      case 'PUT /snapshot/load':
        if (machine.configured)
          return 'Loading a microVM snapshot not allowed after configuring boot-specific resources.';
        if (body.mem_backend === undefined && body.mem_file_path === undefined)
          return `${SAID} missing field: either \`mem_backend\` or \`mem_file_path\` is required`;
        return load(body);
      case 'PUT /machine-config': {
        const cpus = Number(body.vcpu_count);
        if (cpus > 1 && cpus % 2 === 1 && body.smt === true)
          return 'The vCPU number is invalid! The vCPU number can only be 1 or an even number when SMT is enabled.';
        break;
      }
      case 'PUT /boot-source':
        for (const file of [body.kernel_image_path, body.initrd_path]) {
          if (file !== undefined && !opens(file, 'read'))
            return `Boot source error: The kernel file cannot be opened: No such file or directory (os error 2)`;
        }
        machine.kernel = true;
        machine.bootArgs = String(body.boot_args ?? '');
        break;
      case 'PUT /drives/{drive_id}': {
        if ((body.path_on_host === undefined) === (body.socket === undefined))
          return 'Unable to create the block device: Running method expected different backend.';
        if (body.path_on_host !== undefined) {
          if (!opens(body.path_on_host, body.is_read_only === true ? 'read' : 'write'))
            return `Unable to create the virtio block device: Error manipulating the backing file: No such file or directory (os error 2) ${body.path_on_host}`;
        }
        const root = [...drives.values()].find(
          (each) => each.is_root_device === true && each.drive_id !== id,
        );
        if (body.is_root_device === true && root) return 'A root block device already exists!';
        drives.set(String(id), body);
        break;
      }
      case 'PUT /network-interfaces/{iface_id}':
        if (!reaches(body.host_dev_name))
          return `Could not create the network device: ${tapFault(body.host_dev_name)}`;
        networks.set(String(id), body);
        break;
    }
    machine.configured = true;
    return undefined;
  }

  const opens = (path: unknown, access: 'read' | 'write') => guest.hasFile?.(String(path), access) ?? true;

  const reaches = (tap: unknown) => guest.hasTap?.(String(tap)) ?? true;
  const tapFault = (tap: unknown) =>
    `Open tap device failed: Error while creating ifreq structure: Operation not permitted (os error 1). Invalid TUN/TAP Backend provided by ${tap}. Check our documentation on setting up the network devices.`;

  /** A snapshot holds what the VM was told of its devices; the devices' own files are no part of it. */
  function save(state: string, memory: string): string | undefined {
    const devices = JSON.stringify({ drives: [...drives.values()], networks: [...networks.values()] });
    for (const [path, content, what] of [
      [state, devices, 'the snapshot backing file'],
      [memory, 'memory', 'the memory backing file'],
    ] as const) {
      const fault = guest.write?.(path, content);
      if (fault !== undefined) return `Create snapshot error: Cannot perform open on ${what}: ${fault}`;
    }
    return undefined;
  }

  function load(body: Body): string | undefined {
    const fault = restoreFault(body);
    if (fault !== undefined) {
      guest.onBroken?.();
      return `Load snapshot error: Failed to restore from snapshot: ${fault}`;
    }
    machine.configured = true;
    machine.state = body.resume_vm === true ? 'Running' : 'Paused';
    if (machine.state === 'Running') guest.onResume?.();
    return undefined;
  }

  function restoreFault(body: Body): string | undefined {
    if (guest.read === undefined) return undefined;
    const content = guest.read(String(body.snapshot_path));
    const ofState = 'Failed to get snapshot state from file:';
    if (content === undefined) return `${ofState} Failed to open snapshot file: ${NO_FILE}`;
    const saved = JSON.parse(content) as { drives: Body[]; networks: Body[] };
    for (const override of (body.network_overrides ?? []) as Body[]) {
      const network = saved.networks.find((each) => each.iface_id === override.iface_id);
      if (!network) return `${ofState} Unknown Network Device.`;
      network.host_dev_name = override.host_dev_name;
    }
    const memory = (body.mem_backend as Body | undefined)?.backend_path ?? body.mem_file_path;
    if (!opens(memory, 'read'))
      return `Failed to load guest memory: Error creating guest memory from file: ${NO_FILE}`;
    const cut = saved.networks.find((each) => !reaches(each.host_dev_name));
    if (cut) return `Failed to build microVM from snapshot: ${tapFault(cut.host_dev_name)}`;
    const lost = saved.drives.find(
      (each) => !opens(each.path_on_host, each.is_read_only === true ? 'read' : 'write'),
    );
    return lost
      ? `Failed to build microVM from snapshot: Failed to restore devices: Error manipulating the backing file: ${NO_FILE} ${lost.path_on_host}`
      : undefined;
  }

  function act(action: string): string | undefined {
    if (action === 'InstanceStart') {
      if (machine.state !== 'Not started') return AFTER;
      if (!machine.kernel) return 'Cannot start microvm without kernel configuration.';
      machine.state = 'Running';
      guest.onStart(machine.bootArgs);
      return undefined;
    }
    if (machine.state === 'Not started') return BEFORE;
    if (action === 'SendCtrlAltDel') guest.onCtrlAltDel();
    return undefined;
  }

  const server = createServer((request, response) => {
    let content = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (content += chunk));
    request.on('end', () => {
      const { method = '', url: path = '' } = request;
      let fault: string | undefined;
      try {
        const body = content === '' ? undefined : (JSON.parse(content) as Body);
        fault = refusal(method, path, body);
        requests.push({ method, path, body: body ?? {} });
        guest.onRequest?.({ method, path, body: body ?? {} });
      } catch {
        fault = 'An error occurred when deserializing the json body of a request.';
      }
      if (fault === undefined && method !== 'GET') {
        response.writeHead(204).end();
        return;
      }
      const answer =
        fault === undefined ? { id: 'stand-in', state: machine.state } : { fault_message: fault };
      response
        .writeHead(fault === undefined ? 200 : 400, { 'content-type': 'application/json' })
        .end(JSON.stringify(answer));
    });
  });
  return {
    server,
    requests,
    get state() {
      return machine.state;
    },
  };
}

function fits(operation: string, method: string, path: string): boolean {
  const [verb, template = ''] = operation.split(' ');
  if (verb !== method) return false;
  const pattern = template.replaceAll(/\{[a-z_]+\}/g, '[A-Za-z0-9_]+');
  return new RegExp(`^${pattern}$`).test(path);
}

/** What of the value does not have the shape, as the reader of Firecracker's JSON says it. */
function faultOf(shape: ApiShape, value: unknown, name: string): string | undefined {
  if (shape.$ref !== undefined) {
    const referred = shapes.definitions[shape.$ref.replace('#/definitions/', '')];
    return referred ? faultOf(referred, value, name) : `${shape.$ref} is not described.`;
  }
  const type = typeOf(value);
  if (shape.type !== undefined && type !== shape.type && !(shape.type === 'number' && type === 'integer'))
    return `invalid type for \`${name}\`: ${type}, expected ${shape.type}.`;
  if (shape.enum && !shape.enum.includes(value)) return `unknown variant \`${value}\` for \`${name}\`.`;
  if (type === 'integer') {
    const { minimum = -Infinity, maximum = Infinity } = shape;
    if (Number(value) < minimum || Number(value) > maximum)
      return `invalid value for \`${name}\`: ${value}, expected ${minimum} to ${maximum}.`;
  }
  if (Array.isArray(value))
    return value.map((each) => faultOf(shape.items ?? {}, each, name)).find((fault) => fault !== undefined);
  if (shape.type !== 'object' || shape.additionalProperties === true) return undefined;
  const body = value as Body;
  for (const [member, each] of Object.entries(body)) {
    const known = shape.properties?.[member];
    if (!known) return `unknown field \`${member}\`.`;
    const fault = faultOf(known, each, member);
    if (fault !== undefined) return fault;
  }
  const missing = shape.required?.find((member) => !(member in body));
  return missing === undefined ? undefined : `missing field \`${missing}\`.`;
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  return Number.isInteger(value) ? 'integer' : typeof value;
}
