// What `demo` shows: the stream as it comes, the instance that is killed, and whether the text is whole.

import type { Report } from "../../observe/report.ts";
import { openGateway, toFetchHandler } from "../../process/embedded.ts";
import { type SimulatedInstance, startSimulated } from "../../simulate/instance.ts";

/** What both instances say, as copies of a model at temperature 0 do. */
const ANSWER =
  "A gateway stands between people who ask and machines that answer. Any of the machines may " +
  "stop at any moment: a driver hangs, a power supply gives up, somebody pulls the wrong cable. " +
  "Whoever was reading an answer just then should not have to know. So the gateway keeps what was " +
  "said so far and has another machine go on from the very next token, and what one began the " +
  "other ends.\n";
const NAMES = ["gpu-1", "gpu-2"];
const RED = 31;
const GREEN = 32;

export interface DemoOptions {
  colours: boolean;
  tokensPerSecond: number;
  write(text: string): void;
}

/** Resolves to the exit code: 0 when the client has the whole answer. */
export async function runDemo({ colours, tokensPerSecond, write }: DemoOptions): Promise<number> {
  const painted = (colour: number, text: string) =>
    colours ? `\x1b[1;${colour}m${text}\x1b[0m` : text;
  const instances = await Promise.all(
    NAMES.map(() => startSimulated({ answer: ANSWER, ttftS: 0.3, tokensPerSecond })),
  );
  const { promise: finished, resolve: onFinished } = Promise.withResolvers<Report>();
  await using gateway = openGateway(configuration(instances), { onFinished });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    toFetchHandler(gateway.handle),
  );
  try {
    const url = `http://127.0.0.1:${server.addr.port}/v1/chat/completions`;
    write(`The gateway at 127.0.0.1:${server.addr.port}, before ${NAMES.join(" and ")}.\n\n`);
    const response = await ask(url, true);
    const name = response.headers.get("x-gateway-instance") ?? "";
    const victim = instances[NAMES.indexOf(name)];
    if (!response.ok || victim === undefined) {
      write(`status ${response.status}: ${await response.text()}\n`);
      return 1;
    }
    let text = "";
    let killed: Promise<void> | null = null;
    let last = performance.now();
    let longestMs = 0;
    for await (const piece of pieces(response)) {
      if (killed !== null) longestMs = Math.max(longestMs, performance.now() - last);
      last = performance.now();
      write(piece);
      text += piece;
      if (killed === null && text.length > ANSWER.length / 2) {
        write(
          painted(RED, `\n\n>>> ${name} is killed: its connections break, its port closes\n\n`),
        );
        killed = victim.close();
      }
    }
    await killed;
    const [resume] = (await finished).resumes;
    const survivor = instances.find((instance) => instance !== victim)!;
    const direct = await (await ask(`${survivor.url}/chat/completions`, false)).json();
    const whole = text === direct.choices[0].message.content;
    if (!whole || resume === undefined) {
      write(painted(RED, "\n>>> the answer broke off, or is another one\n"));
      return 1;
    }
    write(painted(
      GREEN,
      `\n>>> ${resume.to} went on (${resume.way}); longest pause ${Math.round(longestMs)} ms; ` +
        "the text is that of an instance\n>>> that nobody killed, to the letter\n",
    ));
    return 0;
  } finally {
    await Promise.all(instances.map((instance) => instance.close()));
  }
}

function configuration(instances: readonly SimulatedInstance[]): string {
  return JSON.stringify({
    instances: instances.map(({ url, model }, index) => ({
      name: NAMES[index],
      url,
      model_name: model,
    })),
  });
}

async function ask(url: string, stream: boolean): Promise<Response> {
  return await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "demo",
      stream,
      messages: [{ role: "user", content: "What is a gateway for?" }],
    }),
  });
}

/** The text of a stream, piece by piece. */
async function* pieces(response: Response): AsyncGenerator<string> {
  let rest = "";
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + text).split("\n\n");
    rest = events.pop()!;
    for (const event of events) {
      if (!event.startsWith("data: {")) continue;
      const { choices } = JSON.parse(event.slice("data: ".length));
      const content = choices?.[0]?.delta?.content;
      if (content) yield content;
    }
  }
}
