import { type Html, html } from './html.ts';

/** Colours of one theme. `series` are the curves' colours; markers and dashes tell them apart as well. */
export interface Palette {
  paper: string;
  card: string;
  ink: string;
  muted: string;
  rule: string;
  accent: string;
  right: string;
  wrong: string;
  series: readonly string[];
}

export const LIGHT: Palette = {
  paper: '#fbfaf7',
  card: '#ffffff',
  ink: '#1c2026',
  muted: '#5a616c',
  rule: '#dfdcd3',
  accent: '#1d5c87',
  right: '#256a4a',
  wrong: '#a83a1b',
  series: ['#1d5c87', '#a83a1b', '#256a4a', '#6d4a94', '#7a5b0c', '#4a5058'],
};

export const DARK: Palette = {
  paper: '#14171b',
  card: '#1b1f25',
  ink: '#e8e6e1',
  muted: '#a5abb5',
  rule: '#333943',
  accent: '#85bce3',
  right: '#82cba4',
  wrong: '#f09a78',
  series: ['#85bce3', '#f09a78', '#82cba4', '#c0a5e6', '#dbb75e', '#b9bfc8'],
};

function variables(palette: Palette): string {
  const { series, ...colours } = palette;
  return Object.entries(colours)
    .map(([name, colour]) => `--${name}:${colour};`)
    .concat(series.map((colour, i) => `--series-${i}:${colour};`))
    .join('');
}

/** The report's style sheet. */
export const STYLE: Html = html`<style>
:root{color-scheme:light dark;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK SC",sans-serif;-webkit-print-color-adjust:exact;print-color-adjust:exact}
header,main,footer{max-width:66rem;margin:0 auto;padding:0 clamp(1rem,4vw,2.5rem)}
header{padding-top:clamp(2rem,6vw,4rem)}
h1,h2,.figure{font-family:"Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua",Georgia,"Noto Serif",serif;font-weight:600;text-wrap:balance}
h1{font-size:clamp(1.7rem,4.5vw,2.6rem);line-height:1.15;letter-spacing:-.015em;margin:.2rem 0 0}
h2{font-size:1.55rem;line-height:1.25;letter-spacing:-.01em;margin:0 0 .6rem}
h2 small{font:400 .95rem/1.4 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;letter-spacing:0;color:var(--muted);white-space:nowrap}
h3{font-size:1rem;margin:2rem 0 .8rem}
p{margin:0 0 .8rem;max-width:68ch;overflow-wrap:anywhere}
main>section{padding-top:3.5rem}
.lede,.eyebrow,figcaption,caption,.note,footer{color:var(--muted)}
.eyebrow{font-size:.9rem;margin:0}
.note,figcaption,caption{font-size:.875rem;line-height:1.5}
.summary{display:grid;grid-template-columns:minmax(0,1.25fr) minmax(0,1fr) minmax(0,1fr);gap:2rem 2.5rem;margin-top:2rem;padding:1.8rem 0;border-top:2px solid var(--ink);border-bottom:1px solid var(--rule)}
.summary h2{font:600 .9rem/1.4 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;letter-spacing:0;color:var(--muted);margin:0 0 .35rem}
.summary p{font-size:.95rem}
.summary p:last-child{margin:0}
.summary .figure{font-size:clamp(3.4rem,9vw,5rem);line-height:1;letter-spacing:-.03em;margin:0 0 .7rem;font-variant-numeric:lining-nums}
.summary .figure.small{font-size:1.7rem;line-height:1.2;letter-spacing:-.01em;margin-bottom:.5rem;overflow-wrap:anywhere}
.range{display:block;position:relative;height:1rem;min-width:8rem}
.range::before{content:"";position:absolute;inset:calc(50% - .5px) 0 auto;height:1px;background:var(--muted)}
.range i{position:absolute;top:.25rem;height:.5rem;border-radius:.25rem;background:color-mix(in srgb,var(--accent) 38%,var(--paper))}
.range b{position:absolute;top:.15rem;width:.7rem;height:.7rem;margin-left:-.35rem;border-radius:50%;background:var(--accent);border:2px solid var(--paper)}
.range u{position:absolute;top:0;height:1rem;border-left:2px dotted var(--muted)}
.ends{display:flex;justify-content:space-between;font-size:.8rem;color:var(--muted);margin:.1rem 0 .8rem}
.scroll{overflow-x:auto;margin:1rem 0}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:3px}
table{border-collapse:collapse;width:100%;font-size:.925rem;line-height:1.45;font-variant-numeric:tabular-nums}
caption{text-align:left;padding-bottom:.5rem}
caption span{display:block;max-width:min(68ch,calc(100vw - 2*clamp(1rem,4vw,2.5rem)))}
th,td{padding:.5rem 1.2rem .5rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
th:last-child,td:last-child{padding-right:0}
thead th{font-size:.825rem;font-weight:600;color:var(--muted);vertical-align:bottom;border-bottom-color:var(--muted)}
tbody th{font-weight:500;overflow-wrap:anywhere;min-width:7.5rem}
td.text{min-width:6.5rem}
.number{text-align:right;white-space:nowrap}
.sub{display:block;font-weight:400;font-size:.825rem;color:var(--muted)}
.bar{display:grid;grid-template-columns:minmax(5rem,1fr) 3.5rem;gap:.8rem;align-items:center;min-width:9rem}
.bar>i,.top i{display:block;height:.5rem;border-radius:.15rem;background:linear-gradient(var(--accent),var(--accent)) 0/calc(100%*var(--share)) 100% no-repeat,color-mix(in srgb,var(--muted) 22%,transparent)}
.bar>span{text-align:right}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15.5rem),1fr));gap:1.25rem;list-style:none;margin:0;padding:0}
.card{background:var(--card);border:1px solid var(--rule);border-radius:.6rem;overflow:hidden;display:flex;flex-direction:column;break-inside:avoid}
.photo{display:block;width:100%;aspect-ratio:3/2;object-fit:contain;background:color-mix(in srgb,var(--muted) 14%,var(--card))}
.blank{display:grid;place-items:center;color:var(--ink);font-size:.8rem;text-align:center}
.card>div{padding:.9rem 1rem 1rem;display:flex;flex-direction:column;gap:.7rem;flex:1}
.verdict{margin:0;font-size:.9rem;line-height:1.45;color:var(--muted)}
.verdict b{display:block;font-size:1.1rem;line-height:1.3;color:var(--ink)}
.verdict.wrong span{color:var(--wrong);font-weight:600}
.verdict strong{color:var(--ink)}
.verdict.right span{color:var(--right);font-weight:600}
.top,.near{list-style:none;margin:0;padding:0;font-size:.85rem;line-height:1.35}
.top li{display:grid;grid-template-columns:minmax(0,1fr) 4.5rem 2.6rem;gap:.6rem;align-items:center;padding:.12rem 0;font-variant-numeric:tabular-nums}
.top span:last-child{text-align:right}
.clip{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.near{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:.5rem;margin-top:.35rem}
.near .photo{aspect-ratio:1;border-radius:.3rem;object-fit:cover;margin-bottom:.2rem}
.near span{display:block;font-size:.75rem}
.card .label{font-size:.78rem;color:var(--muted);margin:0}
.why{margin-top:auto;padding-top:.6rem;border-top:1px solid var(--rule)}
figure{margin:1.2rem 0 0}
figcaption{margin-top:.6rem;max-width:68ch}
svg{display:block;max-width:100%;height:auto}
svg text{font-size:12px;fill:var(--ink);font-variant-numeric:tabular-nums}
svg .quiet{fill:var(--muted)}
svg .grid{stroke:var(--rule);stroke-width:1}
svg .axis{stroke:var(--muted);stroke-width:1}
.curves{max-width:44rem}
.two svg{max-width:24rem;width:100%}
.legend{list-style:none;margin:.8rem 0 0;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1.6rem;font-size:.9rem}
.legend li{display:flex;align-items:center;gap:.5rem;min-width:0}
.legend svg{flex:none}
${LIGHT.series.map((_, i) => `.series-${i}{--line:var(--series-${i})}`).join('')}
svg .line{stroke:var(--line);stroke-width:2;fill:none}
svg .whisker{stroke:var(--line);stroke-width:1.25;opacity:.65}
svg .marker{fill:var(--line);stroke:var(--paper);stroke-width:1.5}
svg .hit{fill:var(--accent);stroke:var(--ink)}
svg .miss{fill:var(--wrong);stroke:var(--rule)}
svg .bubble{fill:var(--accent);fill-opacity:.35;stroke:var(--accent);stroke-width:1.5}
svg .ideal{stroke:var(--muted);stroke-dasharray:5 4}
.two{display:grid;grid-template-columns:minmax(0,22rem) minmax(0,1fr);gap:1rem 3rem;align-items:start}
dl{margin:1.2rem 0 0}
dt{font-weight:600}
dd{margin:0 0 1rem}
details{margin-top:1rem;font-size:.925rem}
summary{cursor:pointer;color:var(--accent)}
pre{background:var(--card);border:1px solid var(--rule);border-radius:.4rem;padding:.8rem 1rem;overflow-x:auto;font:.875rem/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.findings{padding-left:1.2rem;max-width:68ch}
.strip{list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(6rem,1fr));gap:.5rem;margin:0;padding:0}
.strip .photo{aspect-ratio:1;border-radius:.3rem}
td .thumb{width:4.5rem;border-radius:.3rem}
footer{padding-top:3rem;padding-bottom:3rem;font-size:.875rem}
@media screen and (max-width:48rem){.summary,.two{grid-template-columns:minmax(0,1fr)}.summary{gap:1.6rem}h2 small{display:block}}
@media screen and (max-width:36rem){.curves svg text{font-size:18px}.matrix svg{max-width:none}}
@media print{:root{${variables(LIGHT)}}html{font-size:9.5pt}body{background:none}main>section{padding-top:1.6rem}main>section:not(.pictures){break-inside:avoid}.cards{grid-template-columns:repeat(3,1fr);gap:.6rem}figure,tr,.card,.summary{break-inside:avoid}h2,h3{break-after:avoid}.scroll{overflow:visible}}
</style>`;
