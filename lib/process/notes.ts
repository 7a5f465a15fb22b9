// What finished requests tell those who look, though their clients noticed nothing.

import { isFailover, type Report } from "../observe/report.ts";

export interface Note {
  kind: "failover" | "resume";
  /** The instance that failed. */
  subject: string;
  message: string;
}

const NOTHING: readonly Note[] = [];

/** Empty for the usual request. */
export function notesOf(report: Report): readonly Note[] {
  const { attempts, resumes, instance } = report;
  if (attempts.length < 2 || instance === "") return NOTHING;
  const failed = attempts.filter((one) => isFailover(report, one));
  return [
    ...failed.map((one): Note => ({
      kind: "failover",
      subject: one.instance,
      message: `${one.error}; answered by ${instance}`,
    })),
    ...resumes.map(({ from, to, way }): Note => ({
      kind: "resume",
      subject: from,
      message: `a stream that broke off went on at ${to} (${way})`,
    })),
  ];
}
