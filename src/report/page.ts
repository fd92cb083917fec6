import { type Html, html } from './html.ts';
import { STYLE } from './theme.ts';

/** The policy forbids scripts and network access, so markup in data would have no effect even if escaping failed. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/** Returns a self-contained HTML file with the style of the reports, and with `style` after it. */
export function page(title: string, body: Html, style?: Html): string {
  return `<!doctype html>
${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
${STYLE}
${style}
</head>
<body>
${body}
<footer><p>Made by tip-adapter, a few-shot image classifier. This page works without a network.</p></footer>
</body>
</html>
`}`;
}
