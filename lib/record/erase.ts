// Takes what is recorded of somebody, or of before a time, out of the files: for people who must. A file of
// an hour that is over is replaced as a whole; the one that is being written is rewritten while its writer
// waits for the lock.

import { dirname, join } from "node:path";
import { hourFile, hoursOf } from "../observe/hour_files.ts";
import { hourName } from "../observe/hour_name.ts";
import { FLAGGED_FOLDER } from "./record_file.ts";
import { DamagedFile, pack, PACKED, readLines } from "../observe/packed_file.ts";
import { joined } from "../http/joined.ts";
import { putInPlace } from "../files/replace.ts";
import { writeAll } from "../files/write_all.ts";

/** What is to go: all conditions that are given must hold. */
export interface Erasure {
  /** Address of the client. */
  readonly client?: string;
  /** Name of the key. */
  readonly key?: string;
  /** What came before this, in milliseconds since 1970. */
  readonly before?: number;
}

/** What a line says of itself; null where it is none of these, which stays. */
export interface LineFacts {
  readonly client: string;
  readonly key: string;
  readonly at: number | null;
}

export interface Erased {
  readonly lines: number;
  readonly files: number;
}

/** Goes through the hourly files of `folder`; `isTrial` only counts. */
export async function eraseFrom(
  folder: string,
  erasure: Erasure,
  factsOf: (line: string) => LineFacts | null,
  { now, isTrial }: { now: Date; isTrial: boolean },
): Promise<Erased> {
  const last = erasure.before === undefined ? null : hourName(new Date(erasure.before + AFTER_MS));
  let lines = 0;
  let files = 0;
  for (const hour of await hoursOf(folder)) {
    // Lines stand in the hour in which their requests ended.
    if (last !== null && hour > last) continue;
    const path = hourFile(folder, hour);
    const isCurrent = await mayBeWritten(path, hour, now);
    const stays = (line: string) => {
      const facts = factsOf(line);
      return facts === null || !isMeant(erasure, facts);
    };
    const isPacked = await exists(path + PACKED);
    // Of a symlink that leads nowhere it cannot be said what it has.
    const isPlain = await exists(path) || !isPacked;
    const packed = isPacked ? await eraseInPacked(path + PACKED, isPlain, isTrial, stays) : 0;
    const plain = isPlain ? await eraseInPlain(path, isCurrent, isTrial, stays) : 0;
    const gone = packed + plain;
    lines += gone;
    if (gone > 0) files++;
  }
  return { lines, files };
}

const LF = 10;
const LINE_END = new Uint8Array([LF]);
const HOUR_MS = 3_600_000;
/** So far the hours of a gateway that runs in another time zone may be from those of this process. */
const ZONES_MS = 26 * HOUR_MS;
/** A request may have taken a day. */
const AFTER_MS = 24 * HOUR_MS + ZONES_MS;
/** The file of the hour that is being written was made within it; twice as long where clocks are set back. */
const WRITTEN_WITHIN_MS = 3 * HOUR_MS;

/** Whether `path` may be the plain file of the hour that it is where the gateway runs. */
async function mayBeWritten(path: string, hour: string, now: Date): Promise<boolean> {
  if (hour < hourName(new Date(now.getTime() - ZONES_MS))) return false;
  try {
    const { mtime } = await Deno.stat(path);
    return hour >= hourName(now) || mtime === null ||
      mtime.getTime() > now.getTime() - WRITTEN_WITHIN_MS;
  } catch (error) {
    // It is packed: nobody writes to it.
    mustBeGone(error);
    return false;
  }
}

function isMeant({ client, key, before }: Erasure, facts: LineFacts): boolean {
  return (client === undefined || facts.client === client) &&
    (key === undefined || facts.key === key) &&
    (before === undefined || (facts.at !== null && facts.at < before));
}

/** Returns how many lines went. */
async function eraseInPlain(
  path: string,
  isCurrent: boolean,
  isTrial: boolean,
  stays: (line: string) => boolean,
): Promise<number> {
  // A look without the lock: most files have nothing that is meant.
  const found = await filtered(path, null, stays);
  if (found === 0 || isTrial) return found;
  const name = await fileBeside(path);
  try {
    if (isCurrent) return await rewritten(path, name, stays);
    const gone = await filtered(path, name, stays);
    await takePlace(name, path);
    return gone;
  } finally {
    await Deno.remove(name).catch(mustBeGone);
  }
}

/** `hasPlain`: where it is damaged, the plain one beside it is the whole. */
async function eraseInPacked(
  packed: string,
  hasPlain: boolean,
  isTrial: boolean,
  stays: (line: string) => boolean,
): Promise<number> {
  const name = await fileBeside(packed);
  try {
    const gone = await filtered(packed, isTrial ? null : name, stays);
    if (gone > 0 && !isTrial) await takePlace(name, packed);
    return gone;
  } catch (error) {
    if (!(error instanceof DamagedFile && hasPlain)) throw error;
    // What it has of the whole is nobody's to read.
    if (!isTrial) await Deno.remove(packed);
    return 0;
  } finally {
    await Deno.remove(name).catch(mustBeGone);
  }
}

/** Beside what `path` leads to, which may be on another disk. */
async function fileBeside(path: string): Promise<string> {
  return await Deno.makeTempFile({ dir: dirname(await Deno.realPath(path)), prefix: ".erasing-" });
}

/** What is left of `path` in its place, packed as it is; a file of nothing goes, with what leads to it. */
async function takePlace(name: string, path: string): Promise<void> {
  const target = await Deno.realPath(path);
  if ((await Deno.stat(name)).size === 0) {
    await Deno.remove(target);
    return await Deno.remove(path).catch(mustBeGone);
  }
  const { mode } = await Deno.stat(target);
  if (Deno.build.os !== "windows") await Deno.chmod(name, (mode ?? 0o640) & 0o777);
  if (!path.endsWith(PACKED)) return await putInPlace(name, target);
  await pack(name);
  await Deno.rename(name + PACKED, target);
}

/**
 * The same file, since its writer may hold it open. What stays is written over what was there and the rest cut off at the end. Where
 * less has gone before a line than it is long, it is written over itself: so it lies behind the end first, and each line
 * that stays is whole, once or twice, whenever the process is killed.
 */
async function rewritten(
  path: string,
  name: string,
  stays: (line: string) => boolean,
): Promise<number> {
  using file = await Deno.open(path, { read: true, write: true });
  await file.lock(true);
  const gone = await filtered(path, name, stays);
  const { size: end } = await file.stat();
  let size = 0;
  for await (const lines of wholeLines(name)) {
    await file.truncate(end);
    await file.seek(end, Deno.SeekMode.Start);
    // What was there may end within a line.
    await writeAll(file, joined([LINE_END, lines]));
    await file.seek(size, Deno.SeekMode.Start);
    await writeAll(file, lines);
    size += lines.length;
  }
  await file.truncate(size);
  return gone;
}

async function* wholeLines(name: string): AsyncGenerator<Uint8Array> {
  let begun: Uint8Array[] = [];
  for await (const piece of (await Deno.open(name)).readable) {
    const end = piece.lastIndexOf(LF) + 1;
    if (end > 0) {
      yield joined([...begun, piece.subarray(0, end)]);
      begun = [];
    }
    if (end < piece.length) begun.push(piece.subarray(end));
  }
}

/** Of this one file: writes the lines that stay to `target`, where one is given; returns how many do not. */
async function filtered(
  path: string,
  target: string | null,
  stays: (line: string) => boolean,
): Promise<number> {
  using file = target === null ? null : await Deno.open(target, { write: true, truncate: true });
  const encoder = new TextEncoder();
  let gone = 0;
  let rest = "";
  const take = async (line: string) => {
    if (line === "") return;
    if (!stays(line)) gone++;
    else if (file !== null) await writeAll(file, encoder.encode(`${line}\n`));
  };
  const bytes = path.endsWith(PACKED) ? await readLines(path) : (await Deno.open(path)).readable;
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) await take(line);
  }
  await take(rest);
  return gone;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    mustBeGone(error);
    return false;
  }
}

function mustBeGone(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Where records are, below the data folder. */
export function recordFolders(dataDir: string): string[] {
  return ["requests_responses", "incomplete", FLAGGED_FOLDER].map((name) => join(dataDir, name));
}
