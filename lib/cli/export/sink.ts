// Where an export goes.

import { putInPlace } from "../../files/replace.ts";
import { writeAll } from "../../files/write_all.ts";

export interface Sink {
  write(piece: string | Uint8Array): Promise<void>;
  /** Everything was written: the file takes its name. */
  close(): Promise<void>;
  /** Nothing of a file stays. */
  abandon(): Promise<void>;
}

const SINK_CHARS = 256 * 1024;

/** Standard output, or a file that takes its name only when it is whole. */
export async function openSink(output: string | undefined): Promise<Sink> {
  const encoder = new TextEncoder();
  const partial = output === undefined ? null : `${output}.partial`;
  const file = partial === null
    ? Deno.stdout
    : await Deno.open(partial, { write: true, create: true, truncate: true });
  let pending: string[] = [];
  let chars = 0;
  const flush = async () => {
    const bytes = encoder.encode(pending.join(""));
    pending = [];
    chars = 0;
    await writeAll(file, bytes);
  };
  return {
    async write(piece) {
      if (typeof piece !== "string") {
        await flush();
        return await writeAll(file, piece);
      }
      pending.push(piece);
      chars += piece.length;
      if (chars > SINK_CHARS) await flush();
    },
    async close() {
      await flush();
      if (partial === null || output === undefined) return;
      file.close();
      await putInPlace(partial, output);
    },
    async abandon() {
      if (partial === null) return;
      file.close();
      await Deno.remove(partial);
    },
  };
}
