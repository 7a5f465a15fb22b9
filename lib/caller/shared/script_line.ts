// One connection to a Redis or Valkey server on which commands follow each other without waiting, and answers
// come in the same order. It is in the way of each request, so it does no more than that.

import { Buffer } from "node:buffer";
import { type Reply, ReplyReader } from "./reply_reader.ts";

const READ_BYTES = 16_384;

interface Asked {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

export class ScriptLine {
  readonly #asked: Asked[] = [];
  #unsent = "";
  #writing = false;
  #fault: Error | null = null;
  /** Resolves at its end, with the reason. */
  readonly ended: Promise<Error>;

  constructor(private readonly conn: Deno.Conn) {
    this.ended = this.#read();
  }

  /** Rejects with the server's words for what it did not do, and where the connection ends before its answer. */
  ask(command: readonly (string | number)[]): Promise<Reply> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => {
      this.#asked.push({ resolve, reject });
      this.#unsent += textOf(command);
      if (this.#writing) return;
      this.#writing = true;
      // What is asked in one turn goes out at once.
      queueMicrotask(() => this.#write());
    });
  }

  close(reason = "the connection was closed"): void {
    if (this.#fault !== null) return;
    this.#fault = new Error(reason);
    this.conn.close();
    for (const { reject } of this.#asked.splice(0)) reject(this.#fault);
  }

  async #write(): Promise<void> {
    try {
      while (this.#unsent !== "" && this.#fault === null) {
        let bytes: Uint8Array = Buffer.from(this.#unsent);
        this.#unsent = "";
        while (bytes.length > 0) bytes = bytes.subarray(await this.conn.write(bytes));
      }
    } catch (error) {
      this.close(wordsOf(error));
    }
    this.#writing = false;
  }

  async #read(): Promise<Error> {
    const reader = new ReplyReader();
    const memory = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const count = await this.conn.read(memory);
        if (count === null) break;
        for (const reply of reader.take(memory.subarray(0, count))) this.#tell(reply);
      }
      this.close("the server has closed the connection");
    } catch (error) {
      this.close(wordsOf(error));
    }
    return this.#fault!;
  }

  #tell(reply: Reply): void {
    const asked = this.#asked.shift();
    if (asked === undefined) return;
    if (reply instanceof Error) asked.reject(reply);
    else asked.resolve(reply);
  }
}

/** A command as the protocol has it: the number of its words, then each with its length in bytes. */
function textOf(command: readonly (string | number)[]): string {
  let text = `*${command.length}\r\n`;
  for (const part of command) {
    const word = String(part);
    text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
  }
  return text;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
