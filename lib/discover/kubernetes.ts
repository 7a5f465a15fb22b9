// Discovery by Kubernetes: the EndpointSlices of a Service, listed once and then watched, with the token of
// the gateway's service account (https://kubernetes.io/docs/reference/using-api/api-concepts/, watch). It
// may `list` and `watch` `endpointslices` of `discovery.k8s.io`.

import type { KubernetesPlace } from "../config/discovery.ts";
import { EndpointSlices } from "./endpoint_slices.ts";
import { ask, BadStatus, json } from "./http.ts";
import { Loop } from "./loop.ts";
import { type Hearer, messageOf, type Source, Unusable } from "./source.ts";

/** The server ends a watch after this time; so one that broke silently is noticed. */
const WATCH_S = 240;
const LIST_TIMEOUT_MS = 10_000;
const WATCH_TIMEOUT_MS = (WATCH_S + 20) * 1000;
const MAX_LINE = 4 * 1024 * 1024;
/** A server that ends each watch at once is not asked more often. */
const PAUSE_MS = 500;
const NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

type Env = (name: string) => string | undefined;

export function openKubernetes(
  place: KubernetesPlace,
  port: number | string | null,
  env: Env,
  hearer: Hearer,
): Source {
  const follower = new Follower(place, port, env, hearer);
  return new Loop(
    (closing) => follower.follow(closing),
    (error) => {
      follower.startOver();
      hearer.failed(messageOf(error));
    },
  );
}

class Follower {
  readonly #slices: EndpointSlices;
  /** Up to which version of the list everything is known; null before the list. */
  #version: string | null = null;

  constructor(
    private readonly place: KubernetesPlace,
    port: number | string | null,
    private readonly env: Env,
    private readonly hearer: Hearer,
  ) {
    this.#slices = new EndpointSlices(port);
  }

  /** Lists anew: what happened meanwhile cannot be told. */
  startOver(): void {
    this.#version = null;
  }

  /** The list, where there is none yet, and one watch to its end. */
  async follow(closing: AbortSignal): Promise<number> {
    using client = Deno.createHttpClient({ caCerts: await this.#authorities() });
    if (this.#version === null) await this.#list(client, closing);
    await this.#watch(client, closing);
    return PAUSE_MS;
  }

  async #list(client: Deno.HttpClient, closing: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(LIST_TIMEOUT_MS)]);
    const response = await ask({ ...await this.#question({}), client, signal });
    this.#version = this.#slices.replace(await json(response));
    this.hearer.found(this.#slices.targets());
  }

  async #watch(client: Deno.HttpClient, closing: AbortSignal): Promise<void> {
    const question = await this.#question({
      watch: "1",
      allowWatchBookmarks: "true",
      resourceVersion: this.#version!,
      timeoutSeconds: String(WATCH_S),
    });
    const signal = AbortSignal.any([closing, AbortSignal.timeout(WATCH_TIMEOUT_MS)]);
    let response: Response;
    try {
      response = await ask({ ...question, client, signal });
    } catch (error) {
      // 410: the version is too old by now. No fault: it is listed again.
      if (!(error instanceof BadStatus) || error.status !== 410) throw error;
      return this.startOver();
    }
    try {
      for await (const line of lines(response)) {
        if (!this.#take(line)) return this.startOver();
      }
    } catch (error) {
      if (error instanceof Unusable || closing.aborted) throw error;
      // A watch that breaks off is taken up again where it was; if the server is gone, that will fail.
    }
  }

  /** One event of a watch; false where it cannot go on from here. */
  #take(line: string): boolean {
    const event = parsed(line);
    if (event.type === "ERROR") return false;
    this.#version = event.object?.metadata?.resourceVersion ?? this.#version;
    if (event.type === "BOOKMARK") return true;
    if (event.type === "DELETED") this.#slices.remove(event.object);
    else this.#slices.set(event.object);
    this.hearer.found(this.#slices.targets());
    return true;
  }

  /** The token is replaced by the cluster from time to time. */
  async #question(more: Record<string, string>) {
    const { service, tokenFile } = this.place;
    const namespace = this.place.namespace ?? await textOf(NAMESPACE_FILE, "the namespace");
    const query = new URLSearchParams({
      labelSelector: `kubernetes.io/service-name=${service}`,
      ...more,
    });
    const token = await textOf(tokenFile, "the token of the service account");
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    return {
      url: `${this.#server()}${path}?${query}`,
      headers: { authorization: `Bearer ${token}`, accept: "application/json" },
    };
  }

  #server(): string {
    if (this.place.url !== null) return this.place.url.replace(/\/+$/, "");
    const host = this.env("KUBERNETES_SERVICE_HOST");
    const port = this.env("KUBERNETES_SERVICE_PORT") ?? "443";
    if (!host) {
      throw new Unusable("not in a pod (no KUBERNETES_SERVICE_HOST): `url` names the API server");
    }
    return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  }

  async #authorities(): Promise<string[]> {
    if (this.place.url?.startsWith("http:")) return [];
    return [await textOf(this.place.caFile, "the certificate of the API server's authority")];
  }
}

async function textOf(path: string, what: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (error) {
    throw new Unusable(`${what} cannot be read: ${messageOf(error)}`);
  }
}

interface WatchEvent {
  type?: unknown;
  object?: { metadata?: { resourceVersion?: string } };
}

function parsed(line: string): WatchEvent {
  try {
    const value = JSON.parse(line);
    if (value !== null && typeof value === "object") return value;
  } catch {
    // The same as another thing than an event.
  }
  throw new Unusable("what it sends is no watch event");
}

/** The lines of an answer as they come; what follows the last line end is none. */
async function* lines(response: Response): AsyncGenerator<string> {
  let rest = "";
  for await (const text of (response.body ?? emptyBody()).pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    if (rest.length > MAX_LINE) throw new Unusable("an event of its watch has no end");
    for (const part of parts) if (part.trim() !== "") yield part;
  }
}

function emptyBody(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({ start: (controller) => controller.close() });
}
