// Compiles the two programs in C that a benchmark needs: the load and the instance behind it are not to
// be what is measured.

import { join } from "node:path";

export interface Programs {
  load: string;
  upstream: string;
}

/** Compiles into `folder`. Throws an Error that says what to install. */
export async function buildPrograms(folder: string): Promise<Programs> {
  const compiled = async (name: string): Promise<string> => {
    const out = join(folder, name);
    const source = join(import.meta.dirname!, `${name}.c`);
    let result: Deno.CommandOutput;
    try {
      result = await new Deno.Command("gcc", { args: ["-O2", "-o", out, source] }).output();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Error("the benchmark needs gcc (Debian: apt-get install gcc libc6-dev)");
    }
    if (!result.success) {
      throw new Error(`gcc ${source}:\n${new TextDecoder().decode(result.stderr)}`);
    }
    return out;
  };
  return { load: await compiled("load"), upstream: await compiled("upstream") };
}
