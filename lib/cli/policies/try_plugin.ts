// One call of a plugin's file in its sandbox.

import { GuardFault } from "../../policy/guard/verdict.ts";
import { PluginGuard } from "../../policy/plugin/plugin_guard.ts";
import { plainScript, PluginSourceError } from "../../config/plugin_script.ts";
import { fileWords } from "../../observe/file_words.ts";

export interface Try {
  readonly stage: "prompt" | "answer";
  readonly text: string;
  readonly model: string;
  readonly timeoutMs: number;
}

/** Says what came of it; the exit code. */
export async function tryPlugin(file: string, { stage, text, model, timeoutMs }: Try) {
  let source: string;
  try {
    source = await Deno.readTextFile(file);
  } catch (error) {
    console.error(fileWords(error));
    return 1;
  }
  let guard: PluginGuard | null = null;
  try {
    const script = plainScript(source, file);
    guard = new PluginGuard({ module: Deno.mainModule, script, file, timeoutMs });
    const calls = await guard.probe();
    if (!calls.includes(stage)) {
      console.error(`${file}: it has no \`${stage}\`, only \`${calls.join("`, `")}\``);
      return 1;
    }
    const role = stage === "prompt" ? "user" : "assistant";
    const began = performance.now();
    const verdict = await guard.judge({
      stage,
      policy: file,
      model,
      key: "",
      texts: [{ role, channel: "content", text }],
      final: true,
    });
    const ms = Math.round((performance.now() - began) * 10) / 10;
    console.log(JSON.stringify(verdict));
    console.error(`${ms} ms`);
    return 0;
  } catch (error) {
    if (error instanceof PluginSourceError) console.error(error.message);
    else if (error instanceof GuardFault) {
      console.error(`${file}: ${error.reason}: ${error.message}`);
    } else throw error;
    return 1;
  } finally {
    guard?.close();
  }
}
