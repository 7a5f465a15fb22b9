// The engine that plugins run in, loaded where there is one. Each call gives an engine with memory of its
// own: WebAssembly's memory never shrinks, and goes with the engine.

import type { QuickJSSyncVariant, QuickJSWASMModule } from "quickjs-emscripten-core";

/** For values of a plugin. */
export const MEMORY_MB = 32;
/** What the engine itself begins with: its stack, its tables and some room. */
const OWN_MB = 16;
const PAGES_A_MB = 16;

/**
 * An engine. The bound on its memory is that of WebAssembly: QuickJS counts what it allocates by sizes that
 * this build's allocator does not tell, and a bound set there lets a plugin take gigabytes.
 */
export async function loadEngine(): Promise<QuickJSWASMModule> {
  const [{ newQuickJSWASMModuleFromVariant, newVariant }, { default: variant }] = await Promise.all(
    [
      import("quickjs-emscripten-core"),
      import("@jitl/quickjs-singlefile-mjs-release-sync"),
    ],
  );
  const wasmMemory = new WebAssembly.Memory({
    initial: OWN_MB * PAGES_A_MB,
    maximum: (OWN_MB + MEMORY_MB) * PAGES_A_MB,
  });
  const bounded = newVariant(variant as unknown as QuickJSSyncVariant, { wasmMemory });
  return await newQuickJSWASMModuleFromVariant(bounded);
}
