// The EndpointSlices of one Service as far as they are known, and the targets in them: endpoints that are
// ready, each pod once, although a pod with two addresses stands in two slices.

import { z } from "zod";
import { isName } from "./file.ts";
import { Unusable } from "./source.ts";
import type { Target } from "./target.ts";

const slice = z.object({
  metadata: z.object({ name: z.string() }),
  addressType: z.string().default("IPv4"),
  endpoints: z.array(z.object({
    addresses: z.array(z.string()).default([]),
    // Nobody says whether it is ready: then it is (API reference, EndpointConditions).
    conditions: z.object({ ready: z.boolean().nullish() }).nullish(),
    targetRef: z.object({ name: z.string().optional(), uid: z.string().optional() }).nullish(),
  })).nullish(),
  ports: z.array(z.object({ name: z.string().nullish(), port: z.number().nullish() })).nullish(),
});
type Slice = z.output<typeof slice>;

const list = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  items: z.array(slice).nullish(),
});

export class EndpointSlices {
  readonly #slices = new Map<string, Slice>();

  /** Name or number of the port that is asked; null for the first. */
  constructor(private readonly port: number | string | null) {}

  /** Takes a whole list; returns its version. */
  replace(value: unknown): string {
    const { success, data } = list.safeParse(value);
    if (!success) throw new Unusable("its answer is no list of EndpointSlices");
    this.#slices.clear();
    for (const one of data.items ?? []) this.#slices.set(one.metadata.name, one);
    return data.metadata.resourceVersion;
  }

  set(value: unknown): void {
    const one = read(value);
    this.#slices.set(one.metadata.name, one);
  }

  remove(value: unknown): void {
    this.#slices.delete(read(value).metadata.name);
  }

  targets(): Target[] {
    const targets: Target[] = [];
    const pods = new Set<string>();
    const ordered = [...this.#slices.values()].sort((a, b) =>
      a.addressType < b.addressType ? -1 : a.addressType > b.addressType ? 1 : 0
    );
    for (const { endpoints, ports } of ordered) {
      const port = this.#portIn(ports ?? []);
      if (port === null) continue;
      for (const { addresses, conditions, targetRef } of endpoints ?? []) {
        // All addresses of one endpoint are the same server.
        const [host] = addresses;
        if (host === undefined || conditions?.ready === false) continue;
        const pod = targetRef?.uid ?? `${host} ${port}`;
        if (pods.has(pod)) continue;
        pods.add(pod);
        const name = targetRef?.name;
        targets.push({ host, port, ...(name && isName(name) ? { name } : {}) });
      }
    }
    return targets;
  }

  #portIn(ports: NonNullable<Slice["ports"]>): number | null {
    const { port } = this;
    // A number need not be listed: a Service may be without ports.
    if (typeof port === "number") return port;
    const wanted = port === null ? ports[0] : ports.find(({ name }) => name === port);
    return wanted?.port ?? null;
  }
}

function read(value: unknown): Slice {
  const { success, data } = slice.safeParse(value);
  if (!success) throw new Unusable("what it sends is no EndpointSlice");
  return data;
}
