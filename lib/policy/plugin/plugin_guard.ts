// A plugin as a guard, in its sandbox.

import type { CodeGuard } from "../guard/guard.ts";
import {
  GuardFault,
  type GuardQuestion,
  PASS,
  readVerdict,
  type Verdict,
} from "../guard/verdict.ts";
import { Plugin, type PluginParts } from "./plugin.ts";
import type { PluginCall } from "./sandbox.ts";

export class PluginGuard implements CodeGuard {
  readonly #plugin: Plugin;
  #calls: readonly PluginCall[] | null = null;

  constructor(parts: PluginParts) {
    this.#plugin = new Plugin(parts);
  }

  async probe(): Promise<readonly PluginCall[]> {
    const calls = await this.#loaded();
    for (const stage of calls) {
      readVerdict(await this.#plugin.call(stage, inputOf(emptyQuestion(stage))), 1);
    }
    return calls;
  }

  async loaded(): Promise<void> {
    try {
      await this.#loaded();
    } catch (error) {
      if (!(error instanceof GuardFault)) throw error;
    }
  }

  async judge(question: GuardQuestion): Promise<Verdict> {
    const calls = await this.#loaded();
    if (!calls.includes(question.stage)) return PASS;
    const answer = await this.#plugin.call(question.stage, inputOf(question));
    return readVerdict(answer, question.texts.length);
  }

  close(): void {
    this.#plugin.close();
  }

  async #loaded(): Promise<readonly PluginCall[]> {
    return this.#calls ??= await this.#plugin.load();
  }
}

/** What a plugin looks at before it is asked about anything. */
export function emptyQuestion(stage: PluginCall): GuardQuestion {
  const texts = [{ role: "user", channel: "content", text: "" }] as const;
  return { stage, policy: "", model: "", key: "", texts, final: true };
}

/** What a plugin is given: for an answer also the one text by itself. */
export function inputOf(question: GuardQuestion) {
  const { model, key, texts, final } = question;
  return question.stage === "prompt"
    ? { model, key, texts }
    : { model, key, texts, text: texts.map(({ text }) => text).join(""), final };
}
