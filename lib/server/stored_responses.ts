// Which instance keeps which stored response: /v1/responses keeps its state in one process, so later
// requests that refer to it must go there. Known to all workers from the moment that one writes it down;
// what nobody knows here (the gateway was restarted) is asked for at the instances.

import type { HeaderList } from "../http/message.ts";
import type { Instance } from "../pool/instance.ts";
import type { SharedState } from "../pool/shared_state.ts";

/** Whether the instance has it, asked in the name of the client with these headers. Never rejects. */
export type AskForResponse = (
  instance: Instance,
  responseId: string,
  client: HeaderList,
) => Promise<boolean>;

export class StoredResponses {
  constructor(private readonly shared: SharedState, private readonly ask: AskForResponse) {}

  /** Remembers where the response is whose body or first event begins with `bytes`, if it has an id. */
  noteIn(bytes: Uint8Array, instance: Instance): void {
    const responseId = responseIdIn(bytes);
    if (responseId !== null) this.note(responseId, instance);
  }

  note(responseId: string, instance: Instance): void {
    this.shared.locked(() => this.shared.stored.note(responseId, instance.addressKey));
  }

  /** The one of `instances` that keeps it; null when none does. Weights are of no account: it is there. */
  async keeperOf(
    responseId: string,
    instances: readonly Instance[],
    client: HeaderList,
  ): Promise<Instance | null> {
    const key = this.shared.locked(() => this.shared.stored.keeperOf(responseId));
    if (key !== null) return instances.find((one) => one.addressKey === key) ?? null;
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
export function responseIdIn(bytes: Uint8Array): string | null {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 4096));
  return /"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,190})"/.exec(text)?.[1] ?? null;
}
