// The gateway as one process: served until a signal, and taken apart again. Its parts are put together in
// assembly/.

import { expiryProblem } from "../config/certificate.ts";
import { within } from "../http/within.ts";
import { guarded } from "../observe/guarded.ts";
import { logger } from "../observe/log.ts";
import { assembled, type Parts } from "./assembly/assembled.ts";
import type { ProcessOptions } from "./assembly/foundations.ts";
import { endSignal } from "./end_signal.ts";
import { VERSION } from "./version.ts";
import { cannotListen, fleetInWords, readyLine } from "./words.ts";

/** What takes longer at the end waits for a disk that hangs. */
const LONGEST_END_MS = 30_000;

/** Everything that one gateway process owns. */
export class GatewayProcess {
  readonly #parts: Parts;

  constructor(private readonly options: ProcessOptions) {
    this.#parts = assembled(options);
  }

  /** Serves until a signal; resolves to the exit code. */
  async run(): Promise<number> {
    const { snapshots, bulletin, restored, started } = this.#parts;
    const { config } = snapshots;
    for (const [, restore] of restored) await restore();
    let port: number;
    try {
      port = await this.#listen(config.host, config.port);
    } catch (error) {
      console.error(await cannotListen(config.host, config.port, error));
      return 1;
    }
    for (const [, start] of started) start(port);
    // Before it says that it is there: who waits for that may send a signal at once.
    const ended = endSignal();
    console.error(readyLine(snapshots.config, this.options.file.path, port));
    const expired = config.tls === null ? null : expiryProblem(config.tls, Date.now());
    if (expired !== null) logger.error("{expired}", { expired });
    bulletin.note("started", "gateway", `version ${VERSION} with ${fleetInWords(config)}`);
    const end = await ended;
    const what = end === "stop" ? "stopping" : "handing over";
    logger.info(`${what}: running answers may finish within {seconds} s`, {
      seconds: snapshots.config.drainTimeoutS,
    });
    return await this.#close(end);
  }

  async #listen(hostname: string, wanted: number): Promise<number> {
    // Always with SO_REUSEPORT, so that a successor can take over; two gateways that know nothing of
    // each other would share the port without a word, which is why it is first asked for without.
    if (!this.options.takeover && wanted !== 0) Deno.listen({ hostname, port: wanted }).close();
    return await this.#parts.serving.start(hostname, wanted);
  }

  /**
   * Lets running answers end, or cuts them at a second signal; what is read of them comes last. Resolves to the
   * exit code: 1 where one more signal left something of that behind.
   */
  async #close(end: "stop" | "hand_over"): Promise<number> {
    const { pages, serving, ended, logs } = this.#parts;
    let isCut = false;
    const cut = endSignal().then(() => {
      isCut = true;
    });
    await guarded("the end of pages", () => pages.close());
    await guarded("the end of drain", () => {
      const drained = end === "stop" ? serving.drain() : serving.handOver();
      return Promise.race([drained, cut]);
    });
    const left = (isCut ? endSignal() : cut).then(() => "left" as const);
    // One that fails at its end, or whose disk hangs, keeps none behind it from theirs.
    for (const [part, close] of ended) {
      const end = Promise.race([guarded(`the end of ${part}`, close), left]);
      const how = await within(LONGEST_END_MS, end, "late");
      if (how === "left") {
        logger.error("ended at once by one more signal: the end of {part} is left", { part });
        logs.flush();
        return 1;
      }
      if (how === "late") logger.error("the end of {part} takes too long: it is left", { part });
    }
    return 0;
  }
}
