// Whose stored responses are, told to gateways beside this one by the server that they share: a client's next
// request may come to any of them.

import type { StoredEntry } from "../../pool/memory/stored_memory.ts";
import type { SharedStore } from "./store.ts";

/** After so long without a question only the gateway that has made it knows it. */
const KEPT_MS = 3_600_000;

export class SharedResponses {
  /** `store` is null where nothing is shared. */
  constructor(private readonly store: () => SharedStore | null) {}

  /** Waits for nobody. */
  remember({ response, keeper, owner }: StoredEntry): void {
    const store = this.store();
    if (store === null) return;
    store.run("remember", [nameOf(store, response)], [`${keeper} ${owner}`, KEPT_MS]).catch(() => {
      // The store has told it; this gateway knows it in any case.
    });
  }

  /** null for what nobody has told, or cannot be asked for now. */
  async recall(response: number): Promise<StoredEntry | null> {
    const store = this.store();
    if (store === null) return null;
    try {
      const noted = await store.run("recall", [nameOf(store, response)], [KEPT_MS]);
      if (typeof noted !== "string") return null;
      const [keeper, owner] = noted.split(" ").map(Number);
      return { response, keeper, owner };
    } catch {
      // The store has told it.
      return null;
    }
  }
}

function nameOf(store: SharedStore, response: number): string {
  return store.name("response", String(response));
}
