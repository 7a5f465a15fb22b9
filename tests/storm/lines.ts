// The lines that a gateway has written into the files of a folder.

/** Whole lines; a piece of one at the end of a file makes it throw when it is parsed. */
export async function* linesIn(folder: string): AsyncGenerator<string> {
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    // Made with the first line.
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const { name } of entries) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    yield* text.split("\n").filter((line) => line !== "");
  }
}
