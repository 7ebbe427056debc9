import type Dockerode from 'dockerode';

/** One line of what the engine says during a build, a pull or an import. */
export interface EngineEvent {
  readonly stream?: string;
  readonly status?: string;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
  readonly aux?: { readonly ID?: string };
}

/** Reads the engine's answer to its end; throws when the engine says that it failed. */
export async function streamed(
  docker: Dockerode,
  stream: NodeJS.ReadableStream,
  onEvent: (event: EngineEvent) => void,
): Promise<void> {
  let failure: string | undefined;
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error: Error | null) => (error ? reject(error) : resolve()),
      (event: EngineEvent) => {
        if (event.error !== undefined) failure = event.errorDetail?.message ?? event.error;
        onEvent(event);
      },
    );
  });
  if (failure !== undefined) throw new Error(failure);
}

/** The id of an image that the engine has; undefined when it has not. */
export async function imageId(
  docker: Dockerode,
  reference: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const image = docker.getImage(reference) as unknown as {
      inspect(options: { abortSignal: AbortSignal }): Promise<{ Id: string }>;
    };
    return (await image.inspect({ abortSignal: signal })).Id;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}
