import type Dockerode from 'dockerode';
import { installationLabels, labelFilter } from './labels.ts';

/**
 * All containers of an installation in one engine call. Askers that come while a call is under way
 * share the next one: an answer is never older than the question.
 */
export class SeatList {
  readonly #docker: Dockerode;
  readonly #installation: string;
  #running: Promise<unknown> | undefined;
  #next: Promise<Dockerode.ContainerInfo[]> | undefined;

  constructor(docker: Dockerode, installation: string) {
    this.#docker = docker;
    this.#installation = installation;
  }

  containers(): Promise<Dockerode.ContainerInfo[]> {
    this.#next ??= (this.#running ?? Promise.resolve()).then(() => {
      this.#next = undefined;
      const asked = this.#docker.listContainers({
        all: true,
        filters: labelFilter(installationLabels(this.#installation)),
      });
      const done = asked.then(
        () => {},
        () => {},
      );
      this.#running = done;
      return asked;
    });
    return this.#next;
  }
}
