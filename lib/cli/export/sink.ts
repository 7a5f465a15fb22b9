// Where an export goes.

import { putInPlace, removeIfThere } from "../../files/replace.ts";
import { giveRights, statOf, targetOf } from "../../files/rights.ts";
import { writeAll } from "../../files/write_all.ts";

export interface Sink {
  write(piece: string | Uint8Array): Promise<void>;
  /** Everything was written: the file takes its name. */
  close(): Promise<void>;
  /** Nothing of a file stays. */
  abandon(): Promise<void>;
}

const SINK_CHARS = 256 * 1024;

/** Standard output, or a file that takes its name only when it is whole. A pipe or a device is written to. */
export async function openSink(output: string | undefined): Promise<Sink> {
  const encoder = new TextEncoder();
  const { file, place } = await openedFor(output);
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
      if (file !== Deno.stdout) file.close();
      if (place === null) return;
      try {
        await putInPlace(place.partial, place.target);
      } catch (error) {
        await removeIfThere(place.partial);
        throw error;
      }
    },
    async abandon() {
      if (file !== Deno.stdout) file.close();
      if (place !== null) await removeIfThere(place.partial);
    },
  };
}

/** What is written, and the name that it is to have at the end; null where it has its name. */
interface Opened {
  readonly file: Deno.FsFile | typeof Deno.stdout;
  readonly place: { readonly partial: string; readonly target: string } | null;
}

async function openedFor(output: string | undefined): Promise<Opened> {
  if (output === undefined) return { file: Deno.stdout, place: null };
  const target = await targetOf(output);
  const before = await statOf(target);
  if (before?.isDirectory) throw new Deno.errors.IsADirectory(`${output} is a folder`);
  if (before !== null && !before.isFile) {
    return { file: await Deno.open(target, { write: true }), place: null };
  }
  const partial = `${target}.partial`;
  const file = await Deno.open(partial, { write: true, create: true, truncate: true });
  // It may be for few eyes: before the first word is in it.
  if (before !== null) await giveRights(partial, before);
  return { file, place: { partial, target } };
}
