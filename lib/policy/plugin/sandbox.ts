// A plugin in QuickJS, compiled to WebAssembly: it has no I/O, no imports and no clock, a bound on its
// memory, and every call ends at its time. Whoever runs it must still be ready to wait for it elsewhere: a
// long step within the engine is not interrupted.

import type { QuickJSContext, QuickJSHandle, QuickJSWASMModule } from "quickjs-emscripten-core";
import { MEMORY_MB } from "./quickjs.ts";

const STACK_BYTES = 256 * 1024;
/** For the module's own code, once. */
const LOAD_MS = 1000;
/** Longest answer, in characters. */
const MAX_ANSWER_CHARS = 256 * 1024;

/** What a plugin is called for. */
export type PluginCall = "prompt" | "answer";

export type SandboxFaultKind = "timeout" | "memory" | "error" | "nonsense" | "too_large";

export class SandboxFault extends Error {
  override readonly name = "SandboxFault";
  constructor(readonly kind: SandboxFaultKind, message: string) {
    super(message);
  }
}

/**
 * Stands around the plugin's functions, in the sandbox. Texts come and go as JSON: nothing of the host can
 * be reached from there, and a plugin that changes what it is given changes its own copy.
 */
const CALLER = `(plugin, stringify, parse, max) => {
  const has = (name) => typeof plugin?.[name] === "function";
  const known = (has("prompt") ? "prompt," : "") + (has("answer") ? "answer" : "");
  return (name, json) => {
    if (name === "") return known;
    const answer = plugin[name](parse(json));
    if (answer !== null && typeof answer === "object" && typeof answer.then === "function") {
      return "!promise";
    }
    const text = stringify(answer);
    if (text === undefined) return "null";
    return text.length > max ? "!long" : text;
  };
}`;

export class Sandbox {
  readonly #context: QuickJSContext;
  readonly #call: QuickJSHandle;
  /** The functions that the plugin has. */
  readonly calls: readonly PluginCall[];
  #deadline = 0;

  /** Throws SandboxFault where the script fails or exports no plugin. */
  constructor(module: QuickJSWASMModule, script: string, file: string) {
    const runtime = module.newRuntime();
    runtime.setMaxStackSize(STACK_BYTES);
    runtime.setInterruptHandler(() => performance.now() > this.#deadline);
    const context = this.#context = runtime.newContext({
      intrinsics: {
        BaseObjects: true,
        Eval: true,
        StringNormalize: true,
        RegExp: true,
        RegExpCompiler: true,
        JSON: true,
        Proxy: true,
        MapSet: true,
        TypedArrays: true,
        BigInt: true,
        Date: true,
        Promise: true,
      },
    });
    this.#deadline = performance.now() + LOAD_MS;
    // Taken before the plugin's code runs, which may put others in their places.
    const stringify = this.#own("JSON.stringify");
    const parse = this.#own("JSON.parse");
    const caller = this.#own(CALLER);
    const exported = this.#take(context.evalCode(script, file, { type: "module" }));
    if (context.getPromiseState(exported).type !== "fulfilled" && isPromise(context, exported)) {
      throw new SandboxFault("error", `${file}: a plugin cannot wait for anything (await)`);
    }
    const plugin = context.getProp(exported, "default");
    if (context.typeof(plugin) !== "object") {
      throw new SandboxFault("error", `${file}: expected \`export default { prompt, answer }\``);
    }
    const most = context.newNumber(MAX_ANSWER_CHARS);
    this.#call = this.#take(
      context.callFunction(caller, context.undefined, plugin, stringify, parse, most),
    );
    this.calls = this.#ask("", "", LOAD_MS).split(",").filter((name): name is PluginCall =>
      name === "prompt" || name === "answer"
    );
    if (this.calls.length === 0) {
      throw new SandboxFault("error", `${file}: the plugin has neither \`prompt\` nor \`answer\``);
    }
  }

  /** What the plugin answers, as JSON. Throws SandboxFault. */
  call(name: PluginCall, json: string, timeoutMs: number): string {
    const answer = this.#ask(name, json, timeoutMs);
    if (answer === "!promise") {
      throw new SandboxFault(
        "nonsense",
        `\`${name}\` returned a promise; it has to answer at once`,
      );
    }
    if (answer === "!long") {
      throw new SandboxFault(
        "too_large",
        `\`${name}\` returned more than ${MAX_ANSWER_CHARS} characters`,
      );
    }
    return answer;
  }

  #ask(name: string, json: string, timeoutMs: number): string {
    const context = this.#context;
    this.#deadline = performance.now() + timeoutMs;
    const given = [context.newString(name), context.newString(json)];
    try {
      const answer = this.#take(context.callFunction(this.#call, context.undefined, ...given));
      try {
        return context.getString(answer);
      } finally {
        answer.dispose();
      }
    } finally {
      for (const handle of given) handle.dispose();
    }
  }

  #own(code: string): QuickJSHandle {
    return this.#take(this.#context.evalCode(code, "own.js"));
  }

  #take(result: ReturnType<QuickJSContext["evalCode"]>): QuickJSHandle {
    if (result.error === undefined) return result.value;
    const context = this.#context;
    // A dump of the error might run the plugin's code; its own fields do not.
    this.#deadline = performance.now() + 10;
    const told: unknown = context.dump(result.error);
    result.error.dispose();
    throw faultOf(told);
  }
}

function faultOf(told: unknown): SandboxFault {
  const { name, message } = typeof told === "object" && told !== null
    ? told as { name?: unknown; message?: unknown }
    : { name: "", message: told };
  const words = `${name ?? ""} ${message ?? ""}`.trim().slice(0, 300);
  if (name === "InternalError" && message === "interrupted") {
    return new SandboxFault("timeout", "its time was over");
  }
  if (name === "InternalError" && message === "out of memory") {
    return new SandboxFault("memory", `it needed more than ${MEMORY_MB} MB`);
  }
  return new SandboxFault("error", words === "" ? "it threw" : words);
}

function isPromise(context: QuickJSContext, handle: QuickJSHandle): boolean {
  const state = context.getPromiseState(handle);
  return state.type !== "fulfilled" || state.notAPromise !== true;
}
