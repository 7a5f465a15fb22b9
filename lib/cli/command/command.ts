// A command of the program: what it says of itself, and what it does with arguments that were read.

import type { Declaration } from "./declaration.ts";
import { fileWords, isFileProblem } from "../../observe/file_words.ts";
import { NobodyReads } from "../print.ts";
import type { Flags, Values } from "./flag.ts";
import { helpOf } from "./help.ts";
import { readArguments, UsageError } from "./read.ts";

export interface Command extends Declaration {
  /**
   * Reads the arguments and does it; resolves to the exit code, which is 2 for arguments that it does
   * not know. `commands` are all there are, for those that tell of them.
   */
  run(args: readonly string[], commands?: readonly Command[]): Promise<number>;
}

/** What a command was called with. */
export interface Call<F extends Flags> {
  readonly values: Values<F>;
  readonly operands: readonly string[];
  /** The arguments as they came. */
  readonly args: readonly string[];
  readonly commands: readonly Command[];
}

/** `work` resolves to the exit code; it may throw a UsageError about its arguments, and what files refuse. */
export function command<F extends Flags>(
  declared: Declaration<F>,
  work: (call: Call<F>) => Promise<number>,
): Command {
  return {
    ...declared,
    run: (args, commands = []) =>
      orFileWords(async () => {
        try {
          const read = readArguments(declared, args);
          if (read === "help") {
            console.log(helpOf(declared));
            return 0;
          }
          return await work({ ...read, args, commands });
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
          console.error(`${error.message}\nSee simple-ai-gateway ${declared.name} --help.`);
          return 2;
        }
      }),
  };
}

/**
 * The exit code of `work`, which is 1 where a file refuses it, standard output among them: that is one line. It is 0
 * where whoever reads has enough.
 */
export async function orFileWords(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NobodyReads) return 0;
    if (!isFileProblem(error)) throw error;
    console.error(fileWords(error));
    return 1;
  }
}
