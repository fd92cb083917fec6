// Parses Markdown files for the tests and checks of documents: code blocks, headings and links.

/**
 * Parses a Markdown text, and separates code blocks from prose.
 * @param {string} text
 */
export function parseMarkdown(text) {
  const blocks = [];
  const prose = [];
  let open;
  text.split('\n').forEach((line, at) => {
    if (/^(<{7}|>{7}) /.test(line))
      throw new Error(`Line ${at + 1} is the mark of an unresolved merge: ${line}`);
    const [, indent, fence, info] = /^( *)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open && fence?.startsWith(open.fence) && info.trim() === '') {
      blocks.push({
        language: open.language,
        line: open.line,
        code: open.lines.map((each) => `${each}\n`).join(''),
      });
      open = undefined;
    } else if (open) open.lines.push(line.slice(open.indent));
    else if (fence) open = { fence, language: info.trim(), line: at + 1, lines: [], indent: indent.length };
    prose.push(open || fence ? '' : line);
  });
  if (open) throw new Error(`The code block that begins in line ${open.line} has no end`);
  return { blocks, anchors: anchorsOf(prose), links: linksOf(prose) };
}

/** The anchor of a heading, as GitHub makes it; the site does the same. */
export function slugOf(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsOf(prose) {
  const known = new Map();
  const anchors = new Set();
  for (const line of prose) {
    const [, heading] = /^#{1,6} +(.*?)(?: +#+)?$/.exec(line) ?? [];
    if (heading) {
      const slug = slugOf(plain(heading));
      const before = known.get(slug) ?? 0;
      known.set(slug, before + 1);
      anchors.add(before === 0 ? slug : `${slug}-${before}`);
    }
    for (const [, id] of line.matchAll(/<a id="([^"]+)">/g)) anchors.add(id);
  }
  return anchors;
}

/** A heading without its marks. */
const plain = (heading) =>
  heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\\(.)/g, '$1')
    .replace(/[`*]/g, '');

function linksOf(prose) {
  return prose.flatMap((line, at) => {
    const text = line.replace(/(`+)(?!`).*?\1/g, '');
    return [...text.matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)|(?:href|src)="([^"]+)"/g)].map(
      ([, target, attribute]) => ({
        target: target ?? attribute,
        line: at + 1,
      }),
    );
  });
}
