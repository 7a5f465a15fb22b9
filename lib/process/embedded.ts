// The gateway inside somebody else's program: requests are forwarded, balanced and failed over; the door,
// records, alerts, pages and reloading are left to that program, or to the `serve` command.

import type { Config } from "../config/config.ts";
import { UsageMemory } from "../caller/usage/usage_memory.ts";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/parse.ts";
import { environmentProxy } from "../forward/transport/environment_proxy.ts";
import type { Scarce } from "../machine/scarcity.ts";
import { SlotTable } from "../pool/slot_table.ts";
import { SharedState } from "../pool/shared_state.ts";
import type { GatewayParts } from "../server/gateway.ts";
import type { Handler } from "../server/listener.ts";
import { Runtime } from "./runtime.ts";
import { Snapshots } from "./snapshots.ts";

export { toFetchHandler } from "../server/listener/fetch_handler.ts";

export interface EmbedOptions {
  /** Reads the variables that `${NAME}` in the configuration means. */
  env?(name: string): string | undefined;
  /** Hears of every request when it is over. */
  onFinished?: GatewayParts["onFinished"];
  /** Hears of each connection that the system refused for want of files, ports or memory. */
  onScarce?(what: Scarce): void;
  /** Hears of defects; the request in which one showed is answered with 500. */
  onError?(error: unknown): void;
}

/** A gateway without a door; closing it cuts what is under way. */
export interface EmbeddedGateway extends AsyncDisposable {
  readonly handle: Handler;
}

/**
 * Makes a gateway of the text of a configuration. Throws an Error that names every problem in it.
 *
 * ```ts
 * const gateway = openGateway(await Deno.readTextFile("config.jsonc"));
 * Deno.serve(toFetchHandler(gateway.handle));
 * ```
 */
export function openGateway(text: string, options: EmbedOptions = {}): EmbeddedGateway {
  const env = options.env ?? (() => undefined);
  const loaded = loadConfig("config", text, env);
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  refuseSandboxes(loaded.config);
  const shared = SharedState.create();
  const snapshots = new Snapshots(loaded.config, new SlotTable(shared), environmentProxy(env));
  const runtime = new Runtime(snapshots.current, {
    module: Deno.mainModule,
    shared,
    usage: UsageMemory.create(),
    now: () => performance.now(),
    onPoolEvent() {},
    onFinished: options.onFinished ?? (() => {}),
    admin: () => Promise.resolve({ status: 404, headers: [], body: new Uint8Array(0) }),
    tracing: null,
    onScarce: options.onScarce ?? (() => {}),
    onModelMissing() {},
    onRankRefused() {},
    onError: options.onError ?? console.error,
  });
  return { handle: runtime.handle, [Symbol.asyncDispose]: () => runtime.close() };
}

/** A plugin's isolate begins with the main module, and this program would begin once more in it. */
function refuseSandboxes({ policies }: Config): void {
  for (const { options } of policies) {
    if (options.type !== "plugin" || options.trusted) continue;
    throw new Error(
      `policy \`${options.name}\`: an embedded gateway runs plugins only with trusted: true`,
    );
  }
}
