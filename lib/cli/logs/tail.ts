// The growing end of a folder of records.

import { fileOf, hoursIn, type RecordFolder } from "../../record/browse.ts";
import { openIfThere, packedBefore } from "../../observe/packed_file.ts";
import { endOfLastLine } from "../../record/record_file.ts";
import { isObject, type Json } from "../../json/json.ts";

const LF = 10;

/** The growing end of a folder's files. */
export class Tail {
  readonly #ends: Map<string, number>;

  private constructor(
    private readonly dataDir: string,
    readonly folder: RecordFolder,
    ends: Map<string, number>,
    /** Bytes of lines that are packed before those that grow. */
    private readonly packed: ReadonlyMap<string, number>,
  ) {
    this.#ends = ends;
  }

  static async atEnd(dataDir: string, folder: RecordFolder): Promise<Tail> {
    const ends = new Map<string, number>();
    const packed = new Map<string, number>();
    for (const hour of await hoursIn(dataDir, folder)) {
      const path = fileOf(dataDir, folder, hour);
      const file = await openIfThere(path);
      // One that is packed does not grow.
      if (file === null) ends.set(hour, Infinity);
      else {
        ends.set(hour, await endOfLastLine(file, (await file.stat()).size));
        file.close();
        packed.set(hour, await packedBefore(path));
      }
    }
    return new Tail(dataDir, folder, ends, packed);
  }

  /** Where what has been written since begins, in all lines of an hour. */
  endOf(hour: string): number {
    return this.#endOf(hour) + (this.packed.get(hour) ?? 0);
  }

  #endOf(hour: string): number {
    return this.#ends.get(hour) ?? 0;
  }

  /** Whole lines that have been written since. */
  async read(): Promise<Json[]> {
    const records: Json[] = [];
    // A record is written to the hour that it ended in: only the newest files grow.
    for (const hour of (await hoursIn(this.dataDir, this.folder)).slice(0, 2).reverse()) {
      const path = fileOf(this.dataDir, this.folder, hour);
      const from = this.#endOf(hour);
      if (from === Infinity) continue;
      const file = await openIfThere(path);
      // It was packed, which it is long after its last line.
      if (file === null) continue;
      const { size } = await file.stat();
      file.close();
      // Cut off or replaced: from its begin.
      const begin = size < from ? 0 : from;
      if (size === begin) continue;
      const bytes = await readRange(path, begin, size);
      const end = bytes.lastIndexOf(LF) + 1;
      this.#ends.set(hour, begin + end);
      for (const line of new TextDecoder().decode(bytes.subarray(0, end)).split("\n")) {
        const record = parsed(line);
        if (record !== null) records.push(record);
      }
    }
    return records;
  }
}

async function readRange(path: string, from: number, to: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(from, Deno.SeekMode.Start);
  const bytes = new Uint8Array(to - from);
  let filled = 0;
  while (filled < bytes.length) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function parsed(line: string): Json | null {
  try {
    const value = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    // Half a line that a crash left.
    return null;
  }
}
