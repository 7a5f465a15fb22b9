// The section of docs/performance.md that `bench:peers` writes, between two marks; the rest stays.

const BEGIN = "<!-- Written by deno task bench:peers. -->";
const END = "<!-- End of what deno task bench:peers writes. -->";

const OF_LITELLM =
  `LiteLLM's streams are shorter (10,000 chunks over all streams at once), since it would
not end others in time, and its chunks do not carry the time of their sending.
`;

/** `page` with the section put in place of the one that it has, or at its end. */
export function withSection(page: string, section: string): string {
  const whole = `${BEGIN}\n\n${section.trim()}\n\n${END}`;
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) return `${page.trimEnd()}\n\n${whole}\n`;
  return page.slice(0, begin) + whole + page.slice(end + END.length);
}

export async function writeSection(
  path: string,
  command: string,
  table: string,
  notes: readonly string[],
): Promise<void> {
  const section = `## Beside its peers

Measured by \`${command}\` on ${
    new Date().toISOString().slice(0, 10)
  }: one process each before the same
instance, asked in turn; medians of the runs with the least and the most. CPU time is that of the whole
process tree. The gateway logs and records every answer; the others do not log. On a shared machine only the
ratios mean something. "Added" is the percentile through a contender minus the same percentile without one.
${/^\| litellm /m.test(table) ? OF_LITELLM : ""}
${table}

### With

${notes.join("\n")}`;
  await Deno.writeTextFile(path, withSection(await Deno.readTextFile(path), section));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", path] }).output();
}
