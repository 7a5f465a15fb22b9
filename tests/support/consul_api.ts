// The part of a Consul agent that discovery uses, as its documentation has it: a service's health with a
// blocking query, whose index grows with each change and starts anew with another leader.

export interface ServiceEntry {
  id: string;
  /** "" where it is the node's. */
  address: string;
  port: number;
  passing?: boolean;
  weight?: number;
  meta?: Record<string, string>;
}

export class ConsulApi implements AsyncDisposable {
  readonly asked: { query: URLSearchParams; token: string | null }[] = [];
  token: string | null = null;
  #index = 10;
  #entries: readonly ServiceEntry[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  set(...entries: ServiceEntry[]): void {
    this.#entries = entries;
    this.#index++;
    this.#wake();
  }

  /** The cluster has another leader, whose index is lower. */
  elect(...entries: ServiceEntry[]): void {
    this.#entries = entries;
    this.#index = 3;
    this.#wake();
  }

  /** Those who wait at this moment. */
  get waiting(): number {
    return this.#waiting.size;
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const token = request.headers.get("x-consul-token");
    this.asked.push({ query: url.searchParams, token });
    if (this.token !== token) return new Response("ACL not found", { status: 403 });
    if (url.pathname !== "/v1/health/service/vllm") return this.#list([]);
    if (Number(url.searchParams.get("index")) === this.#index) await this.#news();
    const isPassing = url.searchParams.has("passing");
    return this.#list(this.#entries.filter(({ passing }) => !isPassing || passing !== false));
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }

  #list(entries: readonly ServiceEntry[]): Response {
    const list = entries.map(({ id, address, port, weight = 1, meta = {} }) => ({
      Node: { Node: "n1", Address: "10.0.9.9" },
      Service: {
        ...{ ID: id, Service: "vllm", Address: address, Port: port, Meta: meta },
        Weights: { Passing: weight, Warning: 1 },
      },
      Checks: [],
    }));
    return Response.json(list, { headers: { "x-consul-index": String(this.#index) } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wake();
    await this.#server.shutdown();
  }
}
