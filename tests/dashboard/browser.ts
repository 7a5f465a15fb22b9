// The system's Chromium for the tests of the pages, and what a page must never do: say an error on its
// console, or ask anything of another origin.

import { type Browser, chromium, type Page } from "npm:playwright-core@1.65.1";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Path of a browser on this machine; null without one. */
export function browserPath(): string | null {
  for (const path of PLACES) {
    try {
      Deno.statSync(path);
      return path;
    } catch {
      // Not there: the next place is tried.
    }
  }
  return null;
}

/** A browser without a window. Disposing it closes it. */
export async function startBrowser(): Promise<AsyncDisposable & { browser: Browser }> {
  const executablePath = browserPath();
  if (executablePath === null) throw new Error(`no browser at ${PLACES.join(", ")}`);
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  return { browser, [Symbol.asyncDispose]: () => browser.close() };
}

export interface WatchedPage {
  page: Page;
  /** Errors and warnings of its console, exceptions, and requests to other origins. */
  complaints: string[];
}

export interface PageOptions {
  width?: number;
  height?: number;
  colorScheme?: "light" | "dark";
  locale?: string;
}

/** Opens a page with storage of its own, at `url` when given. */
export async function openPage(
  browser: Browser,
  url: string,
  { width = 1280, height = 800, colorScheme = "light", locale = "en-US" }: PageOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
    locale,
    deviceScaleFactor: width < 500 ? 2 : 1,
  });
  // A machine that is shared stands still for seconds.
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  const { origin } = new URL(url);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(origin) && !asked.startsWith("data:")) {
      complaints.push(`asked ${asked}`);
    }
  });
  await page.goto(url);
  return { page, complaints };
}
