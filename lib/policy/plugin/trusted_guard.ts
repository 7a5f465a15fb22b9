// A plugin that its owner trusts: a module of the gateway's own, with its rights and without limits but for
// the time that is waited for it. It can take the process down.

import type { CodeGuard } from "../guard/guard.ts";
import {
  GuardFault,
  type GuardQuestion,
  PASS,
  readVerdict,
  type Verdict,
} from "../guard/verdict.ts";
import { emptyQuestion, inputOf } from "./plugin_guard.ts";
import type { PluginCall } from "./sandbox.ts";

/** As long as one in the sandbox may take. */
const LOAD_MS = 30_000;

type Call = (input: unknown) => unknown;
type Calls = ReadonlyMap<PluginCall, Call>;

export class TrustedGuard implements CodeGuard {
  readonly #calls: Promise<Calls>;

  /** `script` is JavaScript. */
  constructor(script: string, private readonly timeoutMs: number) {
    // By its text and not by its path: what runs is what was checked, also after a reload.
    const url = `data:text/javascript;base64,${base64(script)}`;
    this.#calls = import(url).then((module) => callsOf(module.default));
    this.#calls.catch(() => {
      // Told to those who ask it.
    });
  }

  async probe(): Promise<readonly PluginCall[]> {
    const stages = [...(await inTime(LOAD_MS, "not loaded", this.#calls)).keys()];
    for (const stage of stages) await this.judge(emptyQuestion(stage));
    return stages;
  }

  async loaded(): Promise<void> {
    try {
      await inTime(LOAD_MS, "not loaded", this.#calls);
    } catch (error) {
      if (!(error instanceof GuardFault)) throw error;
    }
  }

  judge(question: GuardQuestion): Promise<Verdict> {
    return inTime(this.timeoutMs, "no verdict", this.#judge(question));
  }

  async #judge(question: GuardQuestion): Promise<Verdict> {
    const call = (await this.#calls).get(question.stage);
    if (call === undefined) return PASS;
    return readVerdict(await call(structuredClone(inputOf(question))), question.texts.length);
  }

  close(): void {
    // A module stays loaded until the process ends.
  }
}

/** Throws GuardFault where it exports something else: no policy is switched off by a file without one. */
function callsOf(exported: Partial<Record<PluginCall, unknown>> | undefined): Calls {
  const calls = new Map<PluginCall, Call>();
  for (const stage of ["prompt", "answer"] as const) {
    const call = exported?.[stage];
    if (typeof call === "function") calls.set(stage, call as Call);
  }
  if (calls.size > 0) return calls;
  throw new GuardFault("error", "expected `export default { prompt, answer }`");
}

/** What `work` comes to. Throws GuardFault. */
async function inTime<T>(ms: number, missing: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new GuardFault("timeout", `${missing} within ${ms} ms`)),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    if (error instanceof GuardFault) throw error;
    throw new GuardFault("error", error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}

function base64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let latin = "";
  for (const byte of bytes) latin += String.fromCharCode(byte);
  return btoa(latin);
}
