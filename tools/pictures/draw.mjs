// Draws the pictures of docs/images from the tests' golden files, and reduces the size of those of page.py: `make pictures`.
// The golden files are what the action writes. Chromium renders them as GitHub does, with GitHub-flavored markdown,
// GitHub's allowlist of HTML and GitHub's stylesheet. Every golden file is checked, also those without a picture.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import rehypeRaw from "rehype-raw";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import rehypeStringify from "rehype-stringify";
import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import remarkRehype from "remark-rehype";
import { unified } from "unified";
import UPNG from "upng-js";

const here = fileURLToPath(new URL(".", import.meta.url));
const golden = join(here, "../../tests/reporting/golden");
const images = join(here, "../../docs/images");

const DESKTOP = 820;
const PHONE = 390;
const COLORS = 64;
const MAX_PICTURE_BYTES = 100_000;

// By name: the golden file, and optionally the page's width, the device scale factor, and whether <details> are open.
const PICTURES = {
  "comment-ready": { shows: "comment-ready" },
  "comment-several": { shows: "comment-several", open: true },
  "comment-states": { shows: "comment-every-state", scale: 1.5 },
  "comment-phone": { shows: "comment-several", width: PHONE },
  summary: { shows: "summary-several", scale: 1.5 },
};

// GitHub allows aria-hidden on every element, but rehype's copy of the allowlist lacks it.
const everywhere = [...defaultSchema.attributes["*"], "ariaHidden"];
const allowlist = { ...defaultSchema, attributes: { ...defaultSchema.attributes, "*": everywhere } };

const markdown = unified().use(remarkParse).use(remarkGfm).use(remarkRehype, { allowDangerousHtml: true }).use(rehypeRaw);

/** The HTML of a golden file. Throws if GitHub would remove a part of it, or if text from outside became a link. */
async function html(name) {
  const text = await readFile(join(golden, `${name}.md`), "utf8");
  const rendered = await markdown().use(withoutComments).use(rehypeStringify).process(text);
  const sanitized = await markdown().use(rehypeSanitize, allowlist).use(rehypeStringify).process(text);
  if (String(rendered) !== String(sanitized)) throw new Error(`GitHub's allowlist removes something from ${name}.md`);
  if (/href="[^"]*evil/.test(sanitized)) throw new Error(`text from outside became a link in ${name}.md`);
  return String(sanitized);
}

function withoutComments() {
  const prune = (node) => {
    node.children = node.children?.filter((child) => child.type !== "comment");
    node.children?.forEach(prune);
  };
  return prune;
}

function page(name, content) {
  const head = name.startsWith("comment") ? "<b>github-actions</b> <i>bot</i> <span>commented</span>" : "<b>preview</b> <span>summary</span>";
  return `<!doctype html>
<html lang="en"><meta charset="utf-8">
<link rel="stylesheet" href="node_modules/github-markdown-css/github-markdown.css">
<link rel="stylesheet" href="frame.css">
<section><header>${head}</header><article class="markdown-body">${content}</article></section>
<script>window.drawn = document.fonts.ready;</script>`;
}

/** A screenshot of a golden file. */
async function render(browser, name, { scheme = "light", width = DESKTOP, scale = 1, open = false }) {
  const content = await html(name);
  const source = join(here, "page.html");
  await writeFile(source, page(name, open ? content.replaceAll("<details>", "<details open>") : content));
  const tab = await browser.newPage({ viewport: { width, height: 100 }, colorScheme: scheme, deviceScaleFactor: scale });
  await tab.goto(pathToFileURL(source).href);
  await tab.evaluate("drawn");
  const shot = await tab.screenshot({ fullPage: true });
  await tab.close();
  await rm(source);
  return shot;
}

async function draw(browser, name, { shows, scale = 2, ...how }) {
  for (const scheme of ["light", "dark"]) {
    await save(`${name}-${scheme}.png`, await render(browser, shows, { ...how, scale, scheme }));
  }
}

async function save(file, shot) {
  const png = UPNG.decode(shot);
  const small = Buffer.from(UPNG.encode(UPNG.toRGBA8(png), png.width, png.height, COLORS));
  await writeFile(join(images, file), small);
  console.log(`docs/images/${file}, ${Math.round(small.length / 1000)} kB`);
  if (small.length > MAX_PICTURE_BYTES) throw new Error(`${file} has more than ${MAX_PICTURE_BYTES} bytes`);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
try {
  for (const file of await readdir(golden)) await render(browser, file.replace(/\.md$/, ""), {});
  await mkdir(images, { recursive: true });
  for (const [name, how] of Object.entries(PICTURES)) await draw(browser, name, how);
  for (const file of await readdir(images)) if (file.startsWith("page-")) await save(file, await readFile(join(images, file)));
} finally {
  await browser.close();
}
