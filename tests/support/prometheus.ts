// Reads Prometheus' text format (version 0.0.4) as strictly as the format is described, so that what it
// takes a scraper takes too. Nothing of the gateway's own code is used.

/** One line. */
export interface Line {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** A metric with all its lines. */
export interface Family {
  name: string;
  type: string;
  help: string;
  lines: Line[];
}

const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export class Scrape {
  constructor(readonly families: ReadonlyMap<string, Family>) {}

  /** Sum of all lines of that name which have these labels. */
  sum(name: string, labels: Record<string, string> = {}): number {
    return this.lines(name, labels).reduce((sum, { value }) => sum + value, 0);
  }

  lines(name: string, labels: Record<string, string> = {}): Line[] {
    const wanted = Object.entries(labels);
    return [...this.families.values()].flatMap(({ lines }) => lines)
      .filter((line) => line.name === name)
      .filter((line) => wanted.every(([label, value]) => line.labels[label] === value));
  }
}

/** Throws an Error that names the line for anything that the format does not allow. */
export function parseMetrics(text: string): Scrape {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let help: { name: string; text: string } | null = null;
  let current: Family | null = null;
  for (const [index, row] of text.slice(0, -1).split("\n").entries()) {
    const fail = (why: string): never => {
      throw new Error(`line ${index + 1}: ${why}: ${row}`);
    };
    if (row === "") continue;
    if (row.startsWith("# HELP ")) {
      const [name, ...words] = row.slice(7).split(" ");
      if (!NAME.test(name)) fail("no name");
      help = { name, text: words.join(" ") };
      continue;
    }
    if (row.startsWith("# TYPE ")) {
      const [name, type, ...rest] = row.slice(7).split(" ");
      if (!NAME.test(name) || !TYPES.includes(type) || rest.length > 0) fail("no type");
      if (families.has(name)) fail("a second group of one metric");
      if (help?.name !== name || help.text === "") fail("a type without help before it");
      current = { name, type, help: help!.text, lines: [] };
      families.set(name, current);
      continue;
    }
    if (row.startsWith("#")) fail("a comment that means nothing");
    const line = lineOf(row, fail);
    if (current === null || !belongs(line.name, current)) fail("a line outside its group");
    const key = `${line.name} ${JSON.stringify(Object.entries(line.labels).sort())}`;
    if (seen.has(key)) fail("a second line with these labels");
    seen.add(key);
    if (current!.type === "counter" && !(line.value >= 0)) fail("a counter below zero");
    current!.lines.push(line);
  }
  for (const family of families.values()) {
    if (family.type === "histogram") checkHistogram(family);
  }
  return new Scrape(families);
}

function lineOf(row: string, fail: (why: string) => never): Line {
  const head = /^([^{ ]+)(\{(.*)\})? (\S+)$/.exec(row) ?? fail("no value");
  const [, name, , inner, value] = head;
  if (!NAME.test(name)) fail("no name");
  const labels: Record<string, string> = {};
  let rest = inner ?? "";
  while (rest !== "") {
    const pair = /^([^=]+)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/.exec(rest) ?? fail("no label");
    const [whole, label, text] = pair;
    if (!LABEL.test(label) || label in labels) fail("a label that is none, or twice");
    labels[label] = text.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
    rest = rest.slice(whole.length);
  }
  if (!/^([+-]?\d+(\.\d+)?(e[+-]?\d+)?|[+-]Inf|NaN)$/.test(value)) fail("no number");
  return { name, labels, value: Number(value.replace("Inf", "Infinity")) };
}

function belongs(name: string, { name: family, type }: Family): boolean {
  if (type === "histogram") {
    return [`${family}_bucket`, `${family}_sum`, `${family}_count`].includes(name);
  }
  if (type === "summary") {
    return [family, `${family}_sum`, `${family}_count`].includes(name);
  }
  return name === family;
}

/** Buckets ascend, end with +Inf, and agree with the count. */
function checkHistogram({ name, lines }: Family): void {
  const series = new Map<string, Line[]>();
  for (const line of lines) {
    const { le: _, ...labels } = line.labels;
    const key = JSON.stringify(labels);
    series.set(key, [...series.get(key) ?? [], line]);
  }
  for (const [key, members] of series) {
    const buckets = members.filter((line) => line.name.endsWith("_bucket"));
    let bound = -Infinity;
    let below = 0;
    for (const { labels, value } of buckets) {
      const next = labels.le === "+Inf" ? Infinity : Number(labels.le);
      if (!(next > bound) || value < below) throw new Error(`${name} ${key}: buckets descend`);
      [bound, below] = [next, value];
    }
    const count = members.find((line) => line.name.endsWith("_count"));
    if (bound !== Infinity || count?.value !== below || members.length !== buckets.length + 2) {
      throw new Error(`${name} ${key}: not a whole histogram`);
    }
  }
}
