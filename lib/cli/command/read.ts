// Arguments to the values of a command's flags. Splitting them is the runtime's; what is wrong with them
// is said here: the flag, what was expected, what came, and the nearest known name.

import { parseArgs } from "node:util";
import { nearest } from "../../config/nearest.ts";
import type { Declaration } from "./declaration.ts";
import type { Flag, Flags, Values } from "./flag.ts";

/** Arguments that a command does not understand; the message says what to write instead. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface Read<F extends Flags> {
  values: Values<F>;
  operands: readonly string[];
}

/** Throws UsageError. "help" where that is asked for. */
export function readArguments<F extends Flags>(
  declared: Declaration<F>,
  args: readonly string[],
): Read<F> | "help" {
  const { flags } = declared;
  const given = new Map<string, string[]>();
  const operands: string[] = [];
  for (const token of tokensOf(flags, args)) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      operands.push(token.value);
      continue;
    }
    if (token.name === "help") return "help";
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (flag === undefined) throw unknownFlag(token.rawName, flags);
    given.set(token.name, [...given.get(token.name) ?? [], valueOf(token, flag)]);
  }
  if (operands.length > 0) examineFirst(declared, operands[0]);
  const values = Object.entries(flags).map(([name, flag]) => {
    try {
      return [name, flag.take(given.get(name) ?? [])];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(`--${name}: ${error.message}`);
    }
  });
  return { values: Object.fromEntries(values), operands };
}

/** Throws UsageError for an operand where there are none, or another word than there are. */
function examineFirst({ name, flags, operands }: Declaration, first: string): void {
  if (operands === undefined) {
    const isFile = Object.hasOwn(flags, "config") && /\.jsonc?5?$/.test(first);
    const hint = isFile ? `; did you mean \`--config ${first}\`?` : "";
    throw new UsageError(`unexpected \`${first}\`: ${name} takes flags only${hint}`);
  }
  const words = operands.words ?? [];
  if (words.length === 0 || words.includes(first)) return;
  const meant = nearest(first, words);
  const hint = meant === null ? "" : `; did you mean \`${meant}\`?`;
  const expected = words.length === 1 ? `\`${words[0]}\`` : `one of ${words.join(", ")}`;
  throw new UsageError(`expected ${expected}, got \`${first}\`${hint}`);
}

type Token = NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number];

function tokensOf(flags: Flags, args: readonly string[]): Token[] {
  const options = Object.entries(flags).map(([name, { kind, more: { short } }]) => [
    name,
    { type: kind === null ? "boolean" : "string", ...(short === undefined ? {} : { short }) },
  ]);
  return parseArgs({
    args: withValues(flags, args),
    options: { ...Object.fromEntries(options), help: { type: "boolean", short: "h" } },
    // Its own messages know neither the nearest name nor the command.
    strict: false,
    allowPositionals: true,
    tokens: true,
  }).tokens;
}

/** A flag that may stand alone gets its value here: parseArgs knows no optional ones. */
function withValues(flags: Flags, args: readonly string[]): string[] {
  return args.map((arg, index) => {
    const name = arg.slice(2);
    const alone = arg.startsWith("--") && Object.hasOwn(flags, name)
      ? flags[name].more.alone
      : undefined;
    const next = args[index + 1];
    return alone === undefined || (next !== undefined && isValue(flags[name], next))
      ? arg
      : `${arg}=${alone}`;
  });
}

function isValue(flag: Flag<unknown>, text: string): boolean {
  try {
    flag.take([text]);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function valueOf(token: Token & { kind: "option" }, { kind }: Flag<unknown>): string {
  const { rawName, value, inlineValue } = token;
  if (kind === null) {
    if (value === undefined) return "";
    throw new UsageError(`${rawName}: expected no value, got \`${value}\``);
  }
  if (value === undefined) {
    throw new UsageError(`${rawName}: expected ${kind.placeholder} after it`);
  }
  // A flag that follows was hardly meant as the value.
  if (!inlineValue && /^-./.test(value)) {
    throw new UsageError(
      `${rawName}: expected ${kind.placeholder} after it, got the flag \`${value}\`; ` +
        `if that is the value, write ${rawName}=${value}`,
    );
  }
  return value;
}

function unknownFlag(rawName: string, flags: Flags): UsageError {
  const meant = nearest(rawName.replace(/^-+/, ""), [...Object.keys(flags), "help"]);
  const hint = meant === null ? "" : `; did you mean \`--${meant}\`?`;
  return new UsageError(`unknown flag \`${rawName}\`${hint}`);
}
