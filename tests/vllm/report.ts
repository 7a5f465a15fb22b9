// What the trials found, as one table, and whether all that must hold did.

/** How the answers of one kind fared. */
export interface Row {
  trial: string;
  api: string;
  /** Answers that were broken or endangered. */
  answers: number;
  /** As an undisturbed answer; null where sampling makes each answer another. */
  identical: number | null;
  /** Complete, but another text where it has to be the same. */
  different: number;
  /** An error event, or a status that says so. */
  error: number;
  /** Neither complete nor told. */
  lost: number;
  usageWrong: number;
}

/** A row to count into. */
export function row(trial: string, api: string, sampled = false): Row {
  return {
    ...{ trial, api, answers: 0, identical: sampled ? null : 0 },
    ...{ different: 0, error: 0, lost: 0, usageWrong: 0 },
  };
}

export class Report {
  readonly rows: Row[] = [];
  /** What did not hold beside the rows. */
  readonly failures: string[] = [];
  /** What was seen and is worth a word. */
  readonly notes: string[] = [];

  get holds(): boolean {
    return this.failures.length === 0 && this.rows.every((row) => bad(row) === 0);
  }

  text(): string {
    const head = [
      ...["Trial", "API", "answers", "identical", "different", "error event", "lost"],
      "usage wrong",
    ];
    const lines = this.rows.map((row) =>
      [
        ...[row.trial, row.api, row.answers, row.identical ?? "sampled", row.different],
        ...[row.error, row.lost, row.usageWrong],
      ].map(String)
    );
    const widths = head.map((name, at) =>
      Math.max(name.length, ...lines.map((line) => line[at].length))
    );
    const written = (cells: string[]) =>
      `| ${cells.map((cell, at) => cell.padEnd(widths[at])).join(" | ")} |`;
    const rule = written(widths.map((width, at) => at < 2 ? "-".repeat(width) : right(width)));
    const table = [written(head), rule, ...lines.map(written)].join("\n");
    const all = this.rows.reduce((sum, { answers }) => sum + answers, 0);
    const missed = this.rows.reduce((sum, row) => sum + bad(row), 0);
    return [
      table,
      "",
      ...this.notes.map((note) => `- ${note}`),
      ...this.failures.map((failure) => `- DOES NOT HOLD: ${failure}`),
      "",
      `${all} answers broken or endangered, ${missed} not as they should be, ` +
      `${this.failures.length} other things that do not hold`,
    ].join("\n");
  }
}

const right = (width: number) => `${"-".repeat(width - 1)}:`;
const bad = (row: Row) => row.different + row.error + row.lost + row.usageWrong;
