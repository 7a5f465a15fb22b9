// The first question about a request: whom it comes from, and whether requests from there are taken at all.

import type { AddressesConfig } from "../../config/access.ts";
import type { BodyHold, ClientRequest } from "../../http/client.ts";
import type { HeaderList } from "../../http/message.ts";
import { Refusal } from "../refusal.ts";
import { AddressList } from "./address_list.ts";
import { originOf, withoutProxyFields } from "./client_address.ts";

/** The rules of one configuration. */
export class Door {
  readonly #allowed: AddressList | null;
  readonly #trusted: AddressList | null;

  constructor({ allow, trustedProxies }: AddressesConfig) {
    this.#allowed = allow.length === 0 ? null : new AddressList(allow);
    this.#trusted = trustedProxies.length === 0 ? null : new AddressList(trustedProxies);
  }

  /** `client` with the address that trusted proxies tell of it; the very one where none does. */
  faceOf(client: ClientRequest): ClientRequest {
    if (this.#trusted === null) return client;
    const { address, isForwarded } = originOf(client.remoteAddress, client.headers, this.#trusted);
    return isForwarded ? new ForwardedClient(client, address ?? "") : client;
  }

  /** Throws Refusal (403) for who comes from an address that is not allowed. */
  admit({ remoteAddress }: ClientRequest): void {
    if (this.#allowed === null || this.#allowed.has(remoteAddress)) return;
    throw new Refusal({
      status: 403,
      reason: "address",
      message: "Requests from this address are not accepted (access.allow_addresses)",
      shouldRetry: false,
    });
  }
}

/** What `client` sent itself, without what trusted proxies have added on its way. */
export function sentItself(client: ClientRequest): ClientRequest {
  return client instanceof ForwardedClient ? client.alone() : client;
}

/** A client behind trusted proxies; its address is "" where they do not know it. */
class ForwardedClient implements ClientRequest {
  readonly method: string;
  readonly target: string;

  constructor(
    private readonly sender: ClientRequest,
    readonly remoteAddress: string,
    readonly headers: HeaderList = sender.headers,
  ) {
    this.method = sender.method;
    this.target = sender.target;
  }

  get gone(): boolean {
    return this.sender.gone;
  }

  readBody(limitBytes: number, hold: BodyHold): Promise<Uint8Array> {
    return this.sender.readBody(limitBytes, hold);
  }

  onGone(callback: () => void): () => void {
    return this.sender.onGone(callback);
  }

  alone(): ClientRequest {
    return new ForwardedClient(this.sender, this.remoteAddress, withoutProxyFields(this.headers));
  }
}
