import { z } from 'zod';

/** What a seat runs in. */
export const runtimeName = z.enum(['local', 'docker', 'firecracker']);
export type RuntimeName = z.infer<typeof runtimeName>;

/** What people should know of a runtime before they give it to a class. */
export const runtimeInfo = z.object({
  name: runtimeName,
  /** `container` and `vm` hold strangers; `process` is for people you trust. */
  isolation: z.enum(['process', 'container', 'vm']),
  /** One sentence for people: what is missing, or what to mind. */
  note: z.string(),
});
export type RuntimeInfo = z.infer<typeof runtimeInfo>;
