// The part of a Kubernetes API server that discovery uses, as its documentation has it: a list with a
// version, a watch from a version on, bookmarks, 410 for a version that is too old; over HTTPS with a
// certificate of its own authority, for who brings the token.

import { join } from "node:path";
import { Authority } from "./certificates.ts";

export interface Slice {
  apiVersion: "discovery.k8s.io/v1";
  kind: "EndpointSlice";
  metadata: { name: string; labels: Record<string, string>; resourceVersion?: string };
  addressType: "IPv4" | "IPv6";
  endpoints: {
    addresses: string[];
    conditions: { ready?: boolean; serving?: boolean; terminating?: boolean };
    targetRef?: { kind: "Pod"; name: string; uid: string };
  }[];
  ports: { name: string; port: number; protocol: "TCP" }[];
}

interface Event {
  version: number;
  line: string;
}

export class KubernetesApi implements AsyncDisposable {
  readonly asked: string[] = [];
  token = "token-1";
  #version = 100;
  /** What is older has been forgotten. */
  #oldest = 100;
  readonly #slices = new Map<string, Slice>();
  readonly #events: Event[] = [];
  readonly #watches = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(readonly folder: string, cert: string, key: string) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  static async start(): Promise<KubernetesApi> {
    const folder = await Deno.makeTempDir({ prefix: "kubernetes-test-" });
    const authority = await Authority.make(folder);
    const { cert, key } = await authority.sign("kubernetes");
    await Deno.writeTextFile(join(folder, "ca.crt"), authority.cert);
    const api = new KubernetesApi(folder, cert, key);
    await api.writeToken(api.token);
    return api;
  }

  /** What a configuration says to reach it. */
  get options(): Record<string, string> {
    return {
      url: `https://127.0.0.1:${this.#server.addr.port}`,
      token_file: join(this.folder, "token"),
      ca_file: join(this.folder, "ca.crt"),
    };
  }

  get port(): number {
    return this.#server.addr.port;
  }

  /** As the kubelet does from time to time. */
  async writeToken(token: string): Promise<void> {
    await Deno.writeTextFile(join(this.folder, "token"), `${token}\n`);
  }

  get watches(): number {
    return this.#watches.size;
  }

  set(slice: Slice): void {
    const { name } = slice.metadata;
    const type = this.#slices.has(name) ? "MODIFIED" : "ADDED";
    this.#slices.set(name, slice);
    this.#tell(type, slice);
  }

  delete(name: string): void {
    const slice = this.#slices.get(name)!;
    this.#slices.delete(name);
    this.#tell("DELETED", slice);
  }

  bookmark(): void {
    this.#tell("BOOKMARK", { kind: "EndpointSlice", metadata: {} });
  }

  /** Forgets what happened so far, and ends the watches with that error, as a server does. */
  expire(): void {
    this.#oldest = ++this.#version;
    this.#events.length = 0;
    this.#send(`${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410 } })}\n`);
  }

  /** Closes the watches without a word, with half an event on the way. */
  cut(): void {
    this.#send(`{"type":"MODIF`);
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
  }

  #tell(type: string, object: { kind: string; metadata: object }): void {
    const version = ++this.#version;
    const metadata = { ...object.metadata, resourceVersion: String(version) };
    const line = `${JSON.stringify({ type, object: { ...object, metadata } })}\n`;
    this.#events.push({ version, line });
    this.#send(line);
  }

  #send(text: string): void {
    for (const watch of this.#watches) watch.enqueue(new TextEncoder().encode(text));
  }

  #answer(request: Request): Response {
    const url = new URL(request.url);
    this.asked.push(url.pathname + url.search);
    if (request.headers.get("authorization") !== `Bearer ${this.token}`) {
      return status(401, "Unauthorized");
    }
    if (url.pathname !== "/apis/discovery.k8s.io/v1/namespaces/ai/endpointslices") {
      return status(403, `endpointslices.discovery.k8s.io is forbidden in ${url.pathname}`);
    }
    if (url.searchParams.get("labelSelector") !== "kubernetes.io/service-name=vllm") {
      return Response.json({ metadata: { resourceVersion: String(this.#version) }, items: [] });
    }
    if (url.searchParams.get("watch") === null) {
      const metadata = { resourceVersion: String(this.#version) };
      const kind = "EndpointSliceList";
      return Response.json({ kind, metadata, items: [...this.#slices.values()] });
    }
    return this.#watch(Number(url.searchParams.get("resourceVersion")));
  }

  #watch(from: number): Response {
    if (from < this.#oldest) return status(410, "too old resource version");
    let mine: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        mine = controller;
        const missed = this.#events.filter(({ version }) => version > from);
        const text = missed.map(({ line }) => line).join("");
        if (text !== "") controller.enqueue(new TextEncoder().encode(text));
        this.#watches.add(controller);
      },
      cancel: () => void this.#watches.delete(mine),
    });
    return new Response(body, { headers: { "content-type": "application/json" } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches) watch.close();
    await this.#server.shutdown();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function status(code: number, message: string): Response {
  return Response.json({ kind: "Status", status: "Failure", message, code }, { status: code });
}
