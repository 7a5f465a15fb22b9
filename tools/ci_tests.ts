// Runs a task of tests for CI. What failed is run again, file by file and alone, three times over: a
// test that then holds each time is told as shaken, by name, which is a fault to look for, and does
// not sink the run; one that fails once more has failed. More than a few at once are not tried again.
//
//     deno run --allow-read=deno.json --allow-run=deno,npx tools/ci_tests.ts test:workers
//
// The last line is "TASK: N passed, N failed, N shaken", from the runner's own counts.

/** What the runner's output says of one run. */
export interface Outcome {
  /** Tests that passed, of all summaries. */
  passed: number;
  /** Tests that failed; 1 at least where there is no summary. */
  failed: number;
  /** Names of those that failed by their file; a file that could not be run has none. */
  failures: Map<string, string[]>;
}

/** How many tests that failed are tried again. */
const FEW = 3;
const TIMES = 3;

/** Reads what `deno test` printed, without colours. */
export function readOutcome(output: string): Outcome {
  const outcome: Outcome = { passed: 0, failed: 0, failures: new Map() };
  let summaries = 0;
  let listed = false;
  /** The files that tests were run from: the list of failures names the one that a test was written in. */
  const ranFrom = new Map<string, string>();
  for (const line of output.split("\n")) {
    const ran = /^(\S+) => (.*) \.\.\. FAILED /.exec(line);
    if (ran !== null) ranFrom.set(ran[2], ran[1]);
    const summary = /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed/.exec(line);
    if (summary !== null) {
      summaries += 1;
      listed = false;
      outcome.passed += Number(summary[1]);
      outcome.failed += Number(summary[2]);
      continue;
    }
    if (line === " FAILURES ") listed = true;
    if (!listed) continue;
    const uncaught = /^(\S+) \(uncaught error\)$/.exec(line);
    const named = /^(.*) => (\S+?):\d+:\d+$/.exec(line);
    if (uncaught !== null) outcome.failures.set(uncaught[1], []);
    else if (named !== null) {
      const [, step, written] = named;
      const [name] = step.split(" ... ");
      const file = ranFrom.get(name) ?? written;
      const names = outcome.failures.get(file);
      if (names === undefined) outcome.failures.set(file, [name]);
      else if (names.length > 0 && !names.includes(name)) names.push(name);
    }
  }
  if (summaries === 0) outcome.failed = Math.max(1, outcome.failed);
  return outcome;
}

/** The task's command in deno.json: its variables, and the runner's flags but for lists of files. */
export function readTask(command: string): { env: Record<string, string>; flags: string[] } {
  const env: Record<string, string> = {};
  const words = command.split(" ");
  while (/^[A-Z_]+=/.test(words[0])) {
    const [name, value] = words.shift()!.split("=");
    env[name] = value;
  }
  const flags = words.slice(2).filter((word) =>
    word.startsWith("-") && !word.startsWith("--ignore=") && word !== "--parallel"
  );
  return { env, flags };
}

/** Runs a command, shows its output as it comes, and reads it. */
async function run(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const show = async (from: ReadableStream<Uint8Array>, to: typeof Deno.stdout) => {
    const decoder = new TextDecoder();
    for await (const chunk of from) {
      output += decoder.decode(chunk, { stream: true });
      for (let at = 0; at < chunk.length;) at += await to.write(chunk.subarray(at));
    }
  };
  await Promise.all([show(child.stdout, Deno.stdout), show(child.stderr, Deno.stderr)]);
  const outcome = readOutcome(output);
  const { success } = await child.status;
  // The runner may fail without a test that does: a leak, a signal.
  if (!success) outcome.failed = Math.max(1, outcome.failed);
  return outcome;
}

if (import.meta.main) {
  const [task] = Deno.args;
  const { tasks } = JSON.parse(await Deno.readTextFile("deno.json"));
  const { env, flags } = readTask(tasks[task].command);
  const outcome = await run(["task", task]);
  let { passed, failed } = outcome;
  const shaken: string[] = [];
  const named = [...outcome.failures.values()].flat().length;
  // Where the runner says of more failures than it names, something else is wrong.
  if (failed > 0 && failed <= FEW && named === failed) {
    for (const [file, names] of outcome.failures) {
      let held = true;
      for (let time = 1; held && time <= TIMES; time += 1) {
        console.log(`\n=== again, ${time} of ${TIMES}: ${file}`);
        const { passed, failed } = await run(["test", ...flags, file], env);
        // A file without a test holds nothing.
        held = failed === 0 && passed > 0;
      }
      if (!held) continue;
      shaken.push(...names.map((name) => `${name} => ${file}`));
      passed += names.length;
      failed -= names.length;
    }
  }
  for (const test of shaken) console.log(`shaken: ${test}`);
  console.log(`${task}: ${passed} passed, ${failed} failed, ${shaken.length} shaken`);
  if (failed > 0) Deno.exit(1);
}
