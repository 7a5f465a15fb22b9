// Files that are read again and again while requests run. A pipe would be waited for without end, and what is read
// synchronously would hold up everybody; the end of a device may never come.

/** The text of a file. Rejects for what is none, and as the system does. */
export async function readRegular(path: string): Promise<string> {
  mustBeFile(await Deno.stat(path));
  return await Deno.readTextFile(path);
}

/** The same at once. */
export function readRegularSync(path: string): string {
  mustBeFile(Deno.statSync(path));
  return Deno.readTextFileSync(path);
}

/** Throws for a pipe, a device or a folder. */
export function mustBeFile({ isFile }: Deno.FileInfo): void {
  if (!isFile) throw new Error("it is no regular file");
}
