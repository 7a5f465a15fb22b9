// A day of requests as a busy gateway keeps them: some fail, some go elsewhere, one in ten thousand says
// something that is said seldom.

import { join } from "node:path";
import { hourFile } from "../../../lib/observe/hour_files.ts";
import { hourName } from "../../../lib/observe/hour_name.ts";
import type { Story, StoryAttempt } from "../../../lib/requests/story.ts";
import { REQUESTS_FOLDER } from "../../../lib/requests/writer.ts";
import { Random } from "../../fuzz/random.ts";

export const RARE = "NCCL communicator was aborted";
const OFTEN = "the engine ran out of memory";
const HOUR_MS = 3_600_000;
const HOURS = 24;
const INSTANCES = 50;
const MODELS = 20;
const CLIENTS = 200;

/** Writes so many into `dataDir`, the last of them now. */
export async function writeStories(dataDir: string, count: number): Promise<void> {
  const folder = join(dataDir, REQUESTS_FOLDER);
  await Deno.mkdir(folder, { recursive: true });
  const random = new Random(1, -1);
  const end = Date.now();
  const files = new Map<string, string[]>();
  for (let n = 0; n < count; n++) {
    const at = Math.floor(end - HOURS * HOUR_MS * (1 - n / count));
    const name = hourName(new Date(at));
    const lines = files.get(name) ?? [];
    files.set(name, lines);
    lines.push(JSON.stringify(story(n, at, random)));
  }
  for (const [name, lines] of files) {
    await Deno.writeTextFile(hourFile(folder, name), `${lines.join("\n")}\n`);
  }
}

function story(n: number, at: number, random: Random): Story {
  const error = n % 10_000 === 5000 ? RARE : n % 100 === 7 ? OFTEN : "";
  const instance = `gpu-${random.below(INSTANCES)}`;
  const answered: StoryAttempt = {
    instance,
    outcome: "answered",
    status: 200,
    start_ms: 0.4,
    first_ms: 180.2,
    end_ms: 4200.7,
  };
  const failed: StoryAttempt = {
    ...answered,
    instance: `gpu-${random.below(INSTANCES)}`,
    outcome: "failed",
    status: 500,
    error,
  };
  const isLost = error !== "" && n % 3 === 0;
  return {
    id: `chatcmpl-${n.toString(16).padStart(24, "0")}`,
    at,
    method: "POST",
    path: "/v1/chat/completions",
    api: "chat",
    model: `model-${n % MODELS}`,
    client: `10.0.${random.below(CLIENTS) >> 4}.${random.below(16)}`,
    key: "",
    group: "",
    user_agent: "OpenAI/Python 2.8.0",
    stream: true,
    outcome: isLost ? "failed" : "complete",
    status: isLost ? 502 : 200,
    error: isLost ? error : "",
    limited: "",
    instance: isLost ? "" : instance,
    route: "least_connections",
    waited_ms: 0,
    first_byte_ms: isLost ? null : 180.2,
    duration_ms: 400 + random.below(20_000),
    prompt_tokens: 1200,
    completion_tokens: 340,
    policies: [],
    attempts: error === "" ? [answered] : isLost ? [failed] : [failed, answered],
    resumes: [],
  };
}
