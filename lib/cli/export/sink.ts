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
  const close = () => {
    if (file !== Deno.stdout) file.close();
  };
  const forget = async () => {
    if (place === null) return;
    await removeIfThere(place.partial);
    place.interruption[Symbol.dispose]();
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
      try {
        await flush().finally(close);
        if (place !== null) await putInPlace(place.partial, place.target);
      } finally {
        await forget();
      }
    },
    async abandon() {
      close();
      await forget();
    },
  };
}

/** What is written, and the name that it is to have at the end; null where it has its name. */
interface Opened {
  readonly file: Deno.FsFile | typeof Deno.stdout;
  readonly place: {
    readonly partial: string;
    readonly target: string;
    readonly interruption: Interruption;
  } | null;
}

async function openedFor(output: string | undefined): Promise<Opened> {
  if (output === undefined) return { file: Deno.stdout, place: null };
  const target = await targetOf(output);
  const before = await statOf(target);
  if (before?.isDirectory) throw new Deno.errors.IsADirectory(`${output} is a folder`);
  if (before !== null && !before.isFile) {
    return { file: await Deno.open(target, { write: true }), place: null };
  }
  // Its own: another export to the same name would write into the middle of it.
  const partial = `${target}.${crypto.randomUUID().slice(0, 8)}.partial`;
  const interruption = new Interruption(partial);
  try {
    const file = await Deno.open(partial, { write: true, createNew: true });
    // It may be for few eyes: before the first word is in it.
    if (before !== null) await giveRights(partial, before);
    return { file, place: { partial, target, interruption } };
  } catch (error) {
    interruption[Symbol.dispose]();
    // The name that was given is the one to be told.
    if (error instanceof Error) error.message = error.message.replace(partial, output);
    await removeIfThere(partial);
    throw error;
  }
}

/** Exit codes are those of a process that the signal ended. */
const SIGNALS: readonly (readonly [Deno.Signal, code: number])[] = Deno.build.os === "windows"
  ? [["SIGINT", 130]]
  : [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]];

/** Until it is disposed of, a signal that ends the process takes `partial` away before. */
class Interruption implements Disposable {
  readonly #listeners: readonly (readonly [Deno.Signal, () => void])[];

  constructor(partial: string) {
    this.#listeners = SIGNALS.map(([signal, code]) => {
      const end = () => {
        try {
          Deno.removeSync(partial);
        } catch {
          // It has got its name, or stays: the process ends all the same.
        }
        Deno.exit(code);
      };
      Deno.addSignalListener(signal, end);
      return [signal, end] as const;
    });
  }

  [Symbol.dispose](): void {
    for (const [signal, end] of this.#listeners) Deno.removeSignalListener(signal, end);
  }
}
