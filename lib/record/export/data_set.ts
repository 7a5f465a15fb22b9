// Turns recorded files into one data set, line by line, so that their size does not matter. They are
// read twice: which keys the entries have, and of what types their lists are, has to be known before
// the first one is written, since loaders believe the first megabytes of a file.

import { lengthNow } from "../../observe/packed_file.ts";
import type { Json } from "../../json/json.ts";
import type { ExportFormat } from "./formats.ts";
import { recordLines } from "./lines.ts";

export interface Counts {
  read: number;
  /** Lines that are no record. */
  torn: number;
  /** Left out by the filter. */
  left: number;
  /** Records that the format cannot hold. */
  unfit: number;
  written: number;
}

export interface DataSet {
  files: readonly string[];
  format: ExportFormat;
  /** A filter for one pass over the records: it may remember those that it has seen. */
  filter: () => (record: Json) => boolean;
  write(piece: string | Uint8Array): Promise<void>;
  /** Hears of each piece that was read, in bytes of all passes. */
  onRead(bytes: number, written: number): void;
}

/** Passes over each file. */
export const PASSES = 2;

export async function writeDataSet(
  { files, format, filter, write, onRead }: DataSet,
): Promise<Counts> {
  // A file that grows meanwhile is read as far as it was there.
  const sizes = await Promise.all(files.map(lengthNow));
  const counts = { read: 0, torn: 0, left: 0, unfit: 0, written: 0 };
  const entries = (counts: Counts) =>
    entriesIn(files, sizes, format, filter(), counts, (bytes) => onRead(bytes, counts.written));

  const used = new UsedKeys(format.optional);
  for await (const entry of entries({ ...counts })) used.look(entry);

  const encoder = await format.encoder();
  const put = async (piece: string | Uint8Array | null) => {
    if (piece !== null) await write(piece);
  };
  await put(encoder.begin());
  for (const entry of used.first) await put(encoder.entry(used.only(entry)));
  let position = 0;
  for await (const entry of entries(counts)) {
    counts.written++;
    if (!used.isFirst(position++)) await put(encoder.entry(used.only(entry)));
  }
  await put(encoder.end());
  return counts;
}

async function* entriesIn(
  files: readonly string[],
  sizes: readonly number[],
  { make }: ExportFormat,
  takes: (record: Json) => boolean,
  counts: Counts,
  onRead: (bytes: number) => void,
): AsyncGenerator<Json> {
  for (const [at, file] of files.entries()) {
    for await (const record of recordLines(file, sizes[at], onRead)) {
      counts.read++;
      if (record === null) counts.torn++;
      else if (!takes(record)) counts.left++;
      else {
        const entry = make(record);
        if (entry === null) counts.unfit++;
        else yield entry;
      }
    }
  }
}

/** Which of the optional keys the entries of an export have. */
class UsedKeys {
  readonly #unseen: Set<string>;
  /** Positions of the entries that are written first, with them. */
  readonly #first = new Map<number, Json>();
  #position = 0;

  constructor(optional: readonly string[]) {
    this.#unseen = new Set(optional);
  }

  look(entry: Json): void {
    for (const key of this.#unseen) {
      const values = valuesAt(entry, key);
      if (!values.some((value) => !isEmpty(value))) continue;
      this.#unseen.delete(key);
      // A list shows its type only where it has a value: that entry has to come early.
      if (values.some(Array.isArray)) this.#first.set(this.#position, entry);
    }
    this.#position++;
  }

  get first(): Iterable<Json> {
    return this.#first.values();
  }

  isFirst(position: number): boolean {
    return this.#first.has(position);
  }

  /** The entry without the keys that no entry has a value for. */
  only(entry: Json): Json {
    for (const key of this.#unseen) {
      const [list, inner] = key.split(".");
      if (inner === undefined) delete entry[list];
      else for (const one of entry[list] as Json[]) delete one[inner];
    }
    return entry;
  }
}

function valuesAt(entry: Json, key: string): unknown[] {
  const [list, inner] = key.split(".");
  return inner === undefined ? [entry[list]] : (entry[list] as Json[]).map((one) => one[inner]);
}

/** JSON text of an empty list is as empty as one. */
function isEmpty(value: unknown): boolean {
  return value === "" || value === "[]" || (Array.isArray(value) && value.length === 0);
}
