// The isolate that one plugin runs in: an overrun holds up nobody's stream, and what was allocated goes with
// it. It loads the engine once, and answers one call after the other.

import { loadEngine } from "./quickjs.ts";
import { type PluginCall, Sandbox, SandboxFault, type SandboxFaultKind } from "./sandbox.ts";

/** Name of the isolate. */
export const PLUGIN = "plugin";
/** Name of the one that makes it (warden.ts). */
export const WARDEN = "plugin_warden";

export type ToPlugin =
  | {
    readonly kind: "load";
    /** The module whose isolates become plugins'. */
    readonly module: string;
    readonly script: string;
    readonly file: string;
  }
  | {
    readonly kind: "call";
    readonly id: number;
    readonly call: PluginCall;
    readonly json: string;
    readonly timeoutMs: number;
    /** When nobody waits for the answer any more, by `Date.now()`. */
    readonly until: number;
  };

export type FromPlugin =
  | { readonly kind: "loaded"; readonly calls: readonly PluginCall[] }
  | { readonly kind: "failed"; readonly fault: SandboxFaultKind; readonly message: string }
  | { readonly kind: "answer"; readonly id: number; readonly json: string }
  | {
    readonly kind: "fault";
    readonly id: number;
    readonly fault: SandboxFaultKind;
    readonly message: string;
  };

/** The part of a worker's global scope that is used here. */
export interface PluginScope {
  onmessage: ((event: MessageEvent<ToPlugin>) => void) | null;
  postMessage(message: FromPlugin): void;
}

/** Makes the isolate that `scope` belongs to a plugin's. */
export function runPlugin(scope: PluginScope): void {
  let sandbox: Sandbox | null = null;
  scope.onmessage = async ({ data }) => {
    if (data.kind === "load") {
      try {
        sandbox = new Sandbox(await loadEngine(), data.script, data.file);
        scope.postMessage({ kind: "loaded", calls: sandbox.calls });
      } catch (error) {
        scope.postMessage({ kind: "failed", ...told(error) });
      }
      return;
    }
    const { id, call, json, timeoutMs, until } = data;
    // It came while another was at work, and is too late now.
    if (sandbox === null || Date.now() > until) {
      scope.postMessage({ kind: "fault", id, fault: "error", message: "its time was over" });
      return;
    }
    try {
      scope.postMessage({ kind: "answer", id, json: sandbox.call(call, json, timeoutMs) });
    } catch (error) {
      scope.postMessage({ kind: "fault", id, ...told(error) });
    }
  };
}

/** Whether a plugin with this fault took more than it may. */
export function isOverrun(fault: SandboxFaultKind): boolean {
  return fault === "timeout" || fault === "memory" || fault === "too_large";
}

function told(error: unknown): { fault: SandboxFaultKind; message: string } {
  if (error instanceof SandboxFault) return { fault: error.kind, message: error.message };
  // The engine itself has failed, for want of memory most often.
  return { fault: "memory", message: error instanceof Error ? error.message : String(error) };
}
