// Alerts by e-mail, through a mail server (SMTP).

import { ChannelError, type Messenger, type Notice } from "../alert.ts";
import { cut, factsOf, textOf, titleOf } from "../wording.ts";
import { fileWords } from "../../observe/file_words.ts";

export interface EmailOptions {
  host: string;
  port?: number;
  tls: "starttls" | "implicit" | "off";
  /** PEM file. */
  ca_file?: string;
  user?: string;
  password?: string;
  from: string;
  to: readonly string[];
}

const PORTS = { starttls: 587, implicit: 465, off: 25 };
const SUBJECT_CHARS = 200;
const TIMEOUT_MS = 10_000;

export class EmailChannel implements Messenger {
  readonly secrets: readonly string[];

  constructor(
    private readonly options: EmailOptions,
    /** What the gateway calls itself to the mail server. */
    private readonly hostname: string,
  ) {
    const { user = "", password = "" } = options;
    // As they stand in the dialogue with the server, too: AUTH LOGIN and AUTH PLAIN.
    this.secrets = [password, base64(password), base64(`\0${user}\0${password}`)];
  }

  async deliver(notice: Notice, signal: AbortSignal): Promise<void> {
    const { host, tls, user, password, from, to } = this.options;
    const ca = await this.#authority();
    // Loaded when it is needed, since most gateways and all their workers never are in that need.
    const { createTransport } = await import("nodemailer");
    const transport = createTransport({
      host,
      port: this.options.port ?? PORTS[tls],
      secure: tls === "implicit",
      requireTLS: tls === "starttls",
      ignoreTLS: tls === "off",
      name: this.hostname === "" ? undefined : this.hostname,
      auth: user === undefined ? undefined : { user, pass: password },
      tls: ca === undefined ? undefined : { ca },
      connectionTimeout: TIMEOUT_MS,
      greetingTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
    });
    const stop = () => transport.close();
    signal.addEventListener("abort", stop);
    try {
      await transport.sendMail({
        from,
        to: [...to],
        subject: cut(`[gateway] ${titleOf(notice)}`, SUBJECT_CHARS),
        text: `${titleOf(notice)}\n\n${textOf(notice)}\n\n${factsOf(notice)}\n`,
        // Nobody's absence notice is wanted (RFC 3834).
        headers: { "Auto-Submitted": "auto-generated" },
      });
    } catch (error) {
      throw channelErrorOf(error);
    } finally {
      signal.removeEventListener("abort", stop);
      transport.close();
    }
  }

  async #authority(): Promise<string | undefined> {
    const path = this.options.ca_file;
    if (path === undefined) return undefined;
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      throw new ChannelError(`ca_file: ${fileWords(error)}`, false);
    }
  }
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** Wrong logins, and what the server refuses for good (5xx), are not tried again. */
function channelErrorOf(error: unknown): ChannelError {
  const { message, code, responseCode } = error as {
    message?: string;
    code?: string;
    responseCode?: number;
  };
  const final = code === "EAUTH" || (responseCode !== undefined && responseCode >= 500);
  const said = message ?? String(error);
  const hint = /STARTTLS/.test(said) ? '; "tls": "off" where the server has none' : "";
  return new ChannelError(said + hint, !final);
}
