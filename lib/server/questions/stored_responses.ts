// Which instance keeps which stored response: /v1/responses keeps its state in one process, so later
// requests that refer to it must go there. Known to all workers from the moment that one writes it down;
// what nobody knows here (it was made long ago, or by another gateway) is asked for elsewhere.

import { RequestError } from "../../http/client.ts";
import type { HeaderList } from "../../http/message.ts";
import type { Instance } from "../../pool/instance.ts";
import { hashOf } from "../../pool/memory/hash_table.ts";
import type { StoredEntry } from "../../pool/memory/stored_memory.ts";
import type { SharedState } from "../../pool/shared_state.ts";

/** Whether the instance has it, asked in the name of the client with these headers. An instance that fails has it not. */
export type AskForResponse = (
  instance: Instance,
  responseId: string,
  client: HeaderList,
) => Promise<boolean>;

/** What other gateways know, where they tell each other. Neither ever throws. */
export interface OtherGateways {
  remember(entry: StoredEntry): void;
  recall(response: number): Promise<StoredEntry | null>;
}

export class StoredResponses {
  constructor(
    private readonly shared: SharedState,
    private readonly ask: AskForResponse,
    private readonly others: OtherGateways | null = null,
  ) {}

  /** Remembers where the response is whose body or first event begins with `bytes`, if it has an id. */
  noteIn(bytes: Uint8Array, instance: Instance, owner: number): void {
    const responseId = responseIdIn(bytes);
    if (responseId !== null) this.note(responseId, instance, owner);
  }

  /** `owner` is a number for the caller that it was made for; 0 where anyone may ask. */
  note(responseId: string, instance: Instance, owner = 0): void {
    const entry = { response: hashOf(responseId), keeper: instance.addressKey, owner };
    this.shared.locked(() => this.shared.stored.made(entry));
    // What was made for nobody is found by asking the instances.
    if (owner !== 0) this.others?.remember(entry);
  }

  /**
   * Whether it was made for `owner`. What nobody knows any more was made for nobody: an id alone opens no
   * other caller's answer.
   */
  async isOf(owner: number, responseId: string): Promise<boolean> {
    const { stored } = this.shared;
    const known = this.shared.locked(() => stored.ownerOf(responseId));
    if (known !== null) return known === owner;
    const entry = await this.others?.recall(hashOf(responseId)) ?? null;
    if (entry === null) return false;
    this.shared.locked(() => stored.take(entry));
    return entry.owner === owner;
  }

  /**
   * The one of `instances` that keeps it; null when none does. Weights are of no account: it is there. Throws
   * RequestError where the one that keeps it is none of them any more.
   */
  async keeperOf(
    responseId: string,
    instances: readonly Instance[],
    client: HeaderList,
  ): Promise<Instance | null> {
    const key = this.shared.locked(() => this.shared.stored.keeperOf(responseId));
    if (key !== null) {
      const keeper = instances.find((one) => one.addressKey === key);
      if (keeper !== undefined) return keeper;
      const message =
        `Response with id '${responseId}' not found: the instance that keeps it is gone, or serves another model.`;
      throw new RequestError(404, message, "response_id");
    }
    // A fallback may be somebody else's: it is asked only when none of our own has it.
    const own = instances.filter((one) => !one.config.fallback);
    const others = instances.filter((one) => one.config.fallback);
    const keeper = await this.#search(responseId, own, client) ??
      await this.#search(responseId, others, client);
    if (keeper !== null) this.note(responseId, keeper);
    return keeper;
  }

  /** Asks all at once; the first that has it. */
  async #search(
    responseId: string,
    instances: readonly Instance[],
    client: HeaderList,
  ): Promise<Instance | null> {
    const asked = instances.filter((instance) => !instance.isMute).map(async (instance) => {
      if (!await this.ask(instance, responseId, client)) throw new NotThere();
      return instance;
    });
    try {
      return await Promise.any(asked);
    } catch (error) {
      // Nobody was asked, or nobody has it.
      if (error instanceof AggregateError && error.errors.every((e) => e instanceof NotThere)) {
        return null;
      }
      throw error;
    }
  }
}

class NotThere extends Error {}

/** The id of a response, from the beginning of its body or first event. */
function responseIdIn(bytes: Uint8Array): string | null {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 4096));
  return /"id"\s*:\s*"(resp_[\x21\x23-\x5b\x5d-\x7e]{1,190})"/.exec(text)?.[1] ?? null;
}
