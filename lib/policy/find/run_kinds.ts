// The runs that our own expressions look at: numbers, words without a blank, private keys. Each run is
// read once for all expressions.

import type { Found, RunKind } from "../text/finder.ts";

export interface Expression {
  /** What it finds, as a replacement says it. */
  readonly kind: string;
  readonly run: "number" | "word" | "private_key";
  /** Global, with bounds everywhere. */
  readonly regex: RegExp;
  /** Whether what looks right is right. */
  holds?(text: string): boolean;
}

/** An expression and the rule that it belongs to. */
export interface OwnedExpression {
  readonly expression: Expression;
  readonly owner: number;
  /** Whether the rule acts on what is found. */
  readonly acts: boolean;
}

const isDigit = (unit: number) => unit >= 48 && unit <= 57;
const isLetter = (unit: number) => (unit | 32) >= 97 && (unit | 32) <= 122;
const among = (chars: string) => {
  const units = new Set(Array.from(chars, (char) => char.charCodeAt(0)));
  return (unit: number) => units.has(unit);
};
const inNumber = among("+- Xx");
const inWord = among("._%+-@:/=~");
const inKey = among("+/=- \r\n\t:,");

const RUNS: Readonly<
  Record<Expression["run"], Pick<RunKind, "opens" | "goesOn" | "beginning" | "longest">>
> = {
  number: {
    opens: (unit) => isDigit(unit) || unit === 43,
    goesOn: (unit) => isDigit(unit) || inNumber(unit),
    beginning: "",
    longest: 64,
  },
  word: {
    opens: (unit) => isDigit(unit) || isLetter(unit) || unit === 95,
    goesOn: (unit) => isDigit(unit) || isLetter(unit) || inWord(unit),
    beginning: "",
    longest: 5100,
  },
  private_key: {
    opens: (unit) => unit === 45,
    goesOn: (unit) => isDigit(unit) || isLetter(unit) || inKey(unit),
    beginning: "-----BEGIN ",
    longest: 16_384,
  },
};
/** No expression finds less. */
const SHORTEST = 7;

/** The runs that these expressions need. */
export function runKindsOf(all: readonly OwnedExpression[]): RunKind[] {
  return (Object.keys(RUNS) as Expression["run"][]).flatMap((run) => {
    const own = all.filter(({ expression }) => expression.run === run);
    if (own.length === 0) return [];
    return [{
      ...RUNS[run],
      holds: own.some(({ acts }) => acts),
      find: (text) => text.length < SHORTEST ? [] : foundIn(text, own),
    }];
  });
}

function foundIn(text: string, own: readonly OwnedExpression[]): Found[] {
  const found: Found[] = [];
  for (const { expression: { regex, kind, holds }, owner } of own) {
    for (const match of text.matchAll(regex)) {
      if (holds !== undefined && !holds(match[0])) continue;
      found.push({ start: match.index, end: match.index + match[0].length, kind, owner });
    }
  }
  return found.sort((a, b) => a.start - b.start);
}
