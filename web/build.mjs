// Builds what a browser reads: `node build.mjs FOLDER`.
// In: scripts/app.ts, styles/*.css, icons/*.svg and the packages of the lock file. Out: files named by their content, each also
// as .br and .gz, and manifest.txt with one line a file: name, file, media type, entity tag, parted by tabs.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "dist"));
const MEDIA = { ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

/** xterm.js writes style elements and style attributes, which a strict content security policy refuses; adopted sheets and the style object it allows. */
const strictXterm = {
  name: "strict-xterm",
  setup(build) {
    build.onLoad({ filter: /@xterm\/xterm\/lib\/xterm\.mjs$/ }, ({ path }) => {
      let text = readFileSync(path, "utf8");
      const swap = (times, pattern, by) => {
        const found = [...text.matchAll(pattern)].length;
        if (found !== times) throw new Error(`xterm.js changed: ${pattern} is there ${found} times, not ${times}; see strictXterm in web/build.mjs`);
        text = text.replaceAll(pattern, by);
      };
      swap(3, /([\w.]+)\.createElement\("style"\)/g, "__adoptedStyle($1)");
      swap(1, /(\w)\.setAttribute\("style",`\$\{\1\.getAttribute\("style"\)\|\|""\}\$\{(\w)\};`\)/g, "__addStyle($1,$2)");
      const helpers = JSON.stringify(join(here, "scripts/terminal/styles.ts"));
      return { contents: `import{adoptedStyle as __adoptedStyle,addStyle as __addStyle}from ${helpers};${text}`, loader: "js" };
    });
  },
};

function check() {
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  try {
    execFileSync(process.execPath, [tsc, "--noEmit", "--project", here], { stdio: ["ignore", "pipe", "inherit"] });
  } catch (error) {
    console.error(String(error.stdout ?? error));
    process.exit(1);
  }
}

async function bundle() {
  const result = await esbuild.build({
    absWorkingDir: here,
    entryPoints: { app: "scripts/app.ts", gantry: "styles/main.css", terminal: "styles/terminal.css" },
    outdir: out,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: ["es2022", "chrome123", "firefox121", "safari17.5"],
    legalComments: "none",
    logLevel: "warning",
    plugins: [strictXterm],
    write: false,
  });
  return result.outputFiles.map((file) => ({ file: basename(file.path), bytes: Buffer.from(file.contents) }));
}

/** What is copied as it is. */
function icons() {
  return readdirSync(join(here, "icons")).filter((name) => extname(name) in MEDIA).sort().map((name) => {
    const bytes = readFileSync(join(here, "icons", name));
    return { file: `${basename(name, extname(name))}-${digest(bytes).slice(0, 8).toUpperCase()}${extname(name)}`, bytes };
  });
}

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");

check();
const files = [...(await bundle()), ...icons()].sort((a, b) => (a.file < b.file ? -1 : 1));
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const lines = files.map(({ file, bytes }) => {
  writeFileSync(join(out, file), bytes);
  writeFileSync(join(out, `${file}.gz`), gzipSync(bytes, { level: 9 }));
  writeFileSync(join(out, `${file}.br`), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
  const name = file.replace(/-[A-Z0-9]{8}(\.\w+)$/, "$1");
  return [name, file, MEDIA[extname(file)] ?? "application/octet-stream", digest(bytes).slice(0, 16)].join("\t");
});
writeFileSync(join(out, "manifest.txt"), `${lines.join("\n")}\n`);
