import { createServer, type Server } from 'node:http';

/**
 * A stand-in for Firecracker's API, for tests: takes each request only in the shape and in the state
 * that Firecracker's OpenAPI description (1.17) allows, and words its refusals as Firecracker does.
 */
export interface FirecrackerStandIn {
  readonly server: Server;
  readonly requests: readonly { readonly path: string; readonly body: Record<string, unknown> }[];
  state: 'Not started' | 'Running';
}

type Shape = Readonly<
  Record<string, { readonly type: string; readonly required?: boolean; readonly enum?: readonly unknown[] }>
>;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const whole = { type: 'integer' } as const;
const limiter = { type: 'object' } as const;

/** Definitions of the description, by the path that takes them; all of these are `PUT`, before the start. */
const SHAPES: readonly (readonly [RegExp, Shape])[] = [
  [
    /^\/machine-config$/,
    {
      vcpu_count: { ...whole, required: true },
      mem_size_mib: { ...whole, required: true },
      smt: flag,
      track_dirty_pages: flag,
      cpu_template: text,
      huge_pages: { ...text, enum: ['None', 'Transparent', '2M'] },
    },
  ],
  [/^\/boot-source$/, { kernel_image_path: { ...text, required: true }, initrd_path: text, boot_args: text }],
  [
    /^\/drives\/([A-Za-z0-9_]+)$/,
    {
      drive_id: { ...text, required: true },
      is_root_device: { ...flag, required: true },
      is_read_only: flag,
      path_on_host: text,
      partuuid: text,
      cache_type: { ...text, enum: ['Unsafe', 'Writeback'] },
      io_engine: { ...text, enum: ['Sync', 'Async'] },
      rate_limiter: limiter,
      socket: text,
    },
  ],
  [
    /^\/network-interfaces\/([A-Za-z0-9_]+)$/,
    {
      iface_id: { ...text, required: true },
      host_dev_name: { ...text, required: true },
      guest_mac: text,
      mtu: whole,
      rx_rate_limiter: limiter,
      tx_rate_limiter: limiter,
    },
  ],
  [/^\/entropy$/, { rate_limiter: limiter }],
];
const ACTION: Shape = {
  action_type: { ...text, required: true, enum: ['FlushMetrics', 'InstanceStart', 'SendCtrlAltDel'] },
};

/** `onStart` and `onCtrlAltDel` are what happens to the guest. */
export function firecrackerStandIn(guest: { onStart(): void; onCtrlAltDel(): void }): FirecrackerStandIn {
  const requests: { path: string; body: Record<string, unknown> }[] = [];
  const machine = { state: 'Not started' as FirecrackerStandIn['state'], kernel: false };

  /** What is wrong with the request; undefined when it has been carried out. */
  function refusal(method: string, path: string, body: Record<string, unknown>): string | undefined {
    if (method !== 'PUT') return `Invalid request method and/or path: ${method} ${path}.`;
    if (path === '/actions') return shapeFault(ACTION, body) ?? act(String(body.action_type));
    for (const [pattern, shape] of SHAPES) {
      const match = pattern.exec(path);
      if (!match) continue;
      const fault = shapeFault(shape, body);
      if (fault !== undefined) return fault;
      if (machine.state === 'Running')
        return 'The requested operation is not supported after starting the microVM.';
      const id = body.drive_id ?? body.iface_id;
      if (match[1] !== undefined && match[1] !== id) {
        return `The id from the path [${match[1]}] does not match the id from the body [${id}]!`;
      }
      const cpus = Number(body.vcpu_count ?? 1);
      if (cpus < 1 || cpus > 32)
        return 'The vCPU number is invalid! The vCPU number can only be 1 or an even number when SMT is enabled.';
      if (path === '/boot-source') machine.kernel = true;
      return undefined;
    }
    return `Invalid request method and/or path: ${method} ${path}.`;
  }

  function act(action: string): string | undefined {
    if (action === 'InstanceStart') {
      if (machine.state === 'Running')
        return 'The requested operation is not supported after starting the microVM.';
      if (!machine.kernel) return 'Cannot start microvm without kernel configuration.';
      machine.state = 'Running';
      guest.onStart();
      return undefined;
    }
    if (machine.state !== 'Running')
      return 'The requested operation is not supported before starting the microVM.';
    if (action === 'SendCtrlAltDel') guest.onCtrlAltDel();
    return undefined;
  }

  const server = createServer((request, response) => {
    let content = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (content += chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      let body: Record<string, unknown>;
      let fault: string | undefined;
      try {
        body = JSON.parse(content) as Record<string, unknown>;
        fault = refusal(request.method ?? '', path, body);
        requests.push({ path, body });
      } catch {
        fault = 'An error occurred when deserializing the json body of a request.';
      }
      if (fault === undefined) response.writeHead(204).end();
      else
        response
          .writeHead(400, { 'content-type': 'application/json' })
          .end(JSON.stringify({ fault_message: fault }));
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

function shapeFault(shape: Shape, body: Record<string, unknown>): string | undefined {
  const said = 'An error occurred when deserializing the json body of a request:';
  for (const [name, value] of Object.entries(body)) {
    const known = shape[name];
    if (!known) return `${said} unknown field \`${name}\`.`;
    const type = Number.isInteger(value) ? 'integer' : typeof value;
    if (type !== known.type) return `${said} invalid type for \`${name}\`: ${type}, expected ${known.type}.`;
    if (known.enum && !known.enum.includes(value)) return `${said} unknown variant \`${value}\`.`;
  }
  for (const [name, { required }] of Object.entries(shape)) {
    if (required && !(name in body)) return `${said} missing field \`${name}\`.`;
  }
  return undefined;
}
