// Where a request goes on the plain transport: each URL is split once for each origin.

export interface Origin {
  /** As in the Host field. */
  readonly host: string;
  readonly hostname: string;
  readonly port: number;
  /** Whether a connection has stood: an address that is none of this machine's reach has no ports either. */
  wasReached: boolean;
}

/** Whose connections may be used again is told by the key. */
export interface Destination {
  readonly origin: Origin;
  readonly key: string;
  readonly path: string;
}

/** More than there can be at one time: where instances come and go, those that went are forgotten. */
const MAX_ORIGINS = 4096;

export class Origins {
  readonly #known = new Map<string, Origin>();

  /** `url` is one of http:. */
  destination(url: string): Destination {
    const slash = url.indexOf("/", 7);
    const key = slash < 0 ? url : url.slice(0, slash);
    let origin = this.#known.get(key);
    if (origin === undefined) {
      const { host, hostname, port } = new URL(key);
      const name = hostname.replace(/^\[|\]$/g, "");
      origin = { host, hostname: name, port: Number(port) || 80, wasReached: false };
      if (this.#known.size >= MAX_ORIGINS) this.#known.clear();
      this.#known.set(key, origin);
    }
    return { origin, key, path: slash < 0 ? "/" : url.slice(slash) };
  }
}
