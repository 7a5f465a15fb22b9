// The real model as the server needs it: tokens in, tokens and text out, one at a time. Everything
// about HTTP and the shape of answers is left to server.ts.

import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** The part of node-llama-cpp that is used here. It is loaded by path, so its own types are not. */
interface Llama {
  getLlama(options: Record<string, unknown>): Promise<{
    loadModel(options: { modelPath: string }): Promise<LlamaModel>;
  }>;
}

interface LlamaModel {
  readonly trainContextSize: number;
  tokenize(text: string, specialTokens: boolean): number[];
  detokenize(tokens: readonly number[], specialTokens: boolean): string;
  isEogToken(token: number): boolean;
  createContext(options: Record<string, unknown>): Promise<{ getSequence(): LlamaSequence }>;
}

interface LlamaSequence {
  evaluate(tokens: number[], options: Record<string, unknown>): AsyncGenerator<number>;
  clearHistory(): Promise<void>;
}

/** What steers the choice of tokens; names and defaults are vLLM's. */
export interface Sampling {
  temperature: number;
  top_p: number;
  top_k: number;
  seed?: number;
}

const contextSize = 1024;
const parallelSequences = 4;

/** A loaded model. Up to four answers are generated side by side; more wait for their turn. */
export class Model {
  readonly contextSize = contextSize;
  readonly #model: LlamaModel;
  readonly #free: LlamaSequence[];
  readonly #waiting: ((sequence: LlamaSequence) => void)[] = [];

  private constructor(model: LlamaModel, sequences: LlamaSequence[]) {
    this.#model = model;
    this.#free = sequences;
  }

  /** Loads `modelPath` with the engine installed in `engineFolder`, on one thread of the CPU. */
  static async load(engineFolder: string, modelPath: string): Promise<Model> {
    const entry = join(engineFolder, "node_modules/node-llama-cpp/dist/index.js");
    const library = await import(pathToFileURL(entry).href) as Llama;
    const llama = await library.getLlama({
      build: "never",
      gpu: false,
      maxThreads: 1,
      logLevel: "error",
      progressLogs: false,
    });
    const model = await llama.loadModel({ modelPath });
    const context = await model.createContext({
      contextSize,
      threads: 1,
      sequences: parallelSequences,
    });
    return new Model(model, Array.from({ length: parallelSequences }, () => context.getSequence()));
  }

  /** Token ids of `text`; `<|im_start|>` and its like become their single tokens. */
  tokenize(text: string): number[] {
    return this.#model.tokenize(text, true);
  }

  detokenize(tokens: readonly number[], specialTokens = false): string {
    return this.#model.detokenize(tokens, specialTokens);
  }

  isEnd(token: number): boolean {
    return this.#model.isEogToken(token);
  }

  /** Tokens that follow `prompt`, the end token included. Endless where the model does not end. */
  async *generate(prompt: readonly number[], sampling: Sampling): AsyncGenerator<number> {
    const sequence = await this.#take();
    try {
      yield* sequence.evaluate([...prompt], {
        temperature: sampling.temperature,
        topP: sampling.top_p,
        topK: sampling.top_k > 0 ? sampling.top_k : 0,
        seed: sampling.seed,
        yieldEogToken: true,
      });
    } finally {
      await sequence.clearHistory();
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(sequence);
      else next(sequence);
    }
  }

  #take(): Promise<LlamaSequence> {
    const sequence = this.#free.pop();
    if (sequence !== undefined) return Promise.resolve(sequence);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
