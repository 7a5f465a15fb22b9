// A plugin that its owner trusts: a module of the gateway's own, with its rights and without limits but for
// the time that is waited for it. It can take the process down.

import type { Guard } from "../guard/guard.ts";
import {
  GuardFault,
  type GuardQuestion,
  PASS,
  readVerdict,
  type Verdict,
} from "../guard/verdict.ts";
import { inputOf } from "./plugin_guard.ts";

type Trusted = Partial<Record<"prompt" | "answer", (input: unknown) => unknown>>;

export class TrustedGuard implements Guard {
  readonly #module: Promise<Trusted>;

  /** `script` is JavaScript. */
  constructor(script: string, private readonly timeoutMs: number) {
    // By its text and not by its path: what runs is what was checked, also after a reload.
    const url = `data:text/javascript;base64,${base64(script)}`;
    this.#module = import(url).then((module) => module.default as Trusted);
    this.#module.catch(() => {
      // Told to those who ask it.
    });
  }

  async judge(question: GuardQuestion): Promise<Verdict> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new GuardFault("timeout", `no verdict within ${this.timeoutMs} ms`)),
        this.timeoutMs,
      );
    });
    try {
      return await Promise.race([this.#judge(question), late]);
    } catch (error) {
      if (error instanceof GuardFault) throw error;
      throw new GuardFault("error", error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(timer);
    }
  }

  async #judge(question: GuardQuestion): Promise<Verdict> {
    const call = (await this.#module)?.[question.stage];
    if (call === undefined) return PASS;
    return readVerdict(await call(structuredClone(inputOf(question))), question.texts.length);
  }

  close(): void {
    // A module stays loaded until the process ends.
  }
}

function base64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let latin = "";
  for (const byte of bytes) latin += String.fromCharCode(byte);
  return btoa(latin);
}
