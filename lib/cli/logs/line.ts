// One record on one line of a terminal.

import { localIso } from "../../alert/local_time.ts";
import { type RecordSummary, summaryOf } from "../../record/browse.ts";
import type { Json } from "../../json/json.ts";
import { printable } from "../printable.ts";

/** When, who, how much, how it ended, what about. */
export function lineOf(record: Json): string {
  const one = summaryOf(record, "");
  const tokens = one.completion_tokens === null
    ? ""
    : ` ${one.prompt_tokens ?? "-"}+${one.completion_tokens} tokens`;
  const ms = one.duration_ms;
  const duration = ms === null
    ? ""
    : ms < 1000
    ? ` ${Math.round(ms)}ms`
    : ` ${(ms / 1000).toFixed(1)}s`;
  const time = one.time === null
    ? "-"
    : localIso(new Date(one.time)).slice(0, 19).replace("T", " ");
  return printable(
    `${time} ${one.model} ${one.instance || "-"}${duration}${tokens} ${endingOf(one)}: ` +
      `${cut(one.question)} -> ${cut(one.answer)}`,
    " ",
  );
}

/** A client that leaves has had enough: that is no failure. */
function endingOf({ error, outcome, finish_reason }: RecordSummary): string {
  if (error === null) return finish_reason ?? "-";
  return outcome === "aborted" ? `left: ${error}` : `FAILED ${error}`;
}

function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
