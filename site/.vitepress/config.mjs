// The site of documents. `npm run docs` puts the pages into site/pages first (scripts/site.mjs): those of docs/, and the API reference.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitepress';
import { REPOSITORY } from '../../scripts/links.mjs';
import { slugOf } from '../../scripts/markdown.mjs';

const pages = join(import.meta.dirname, '../pages');

/** A link to a page, with the page's own title. */
function link(path) {
  const text = readFileSync(join(pages, `${path}.md`), 'utf8');
  return {
    text: /^# (.*)$/m.exec(text)[1].replaceAll('`', '').replaceAll('\\', ''),
    link: `/${path.replace(/(^|\/)index$/, '$1')}`,
  };
}

const group = (text, paths) => ({ text, items: paths.map(link) });

const ENTRIES = [
  'math',
  'graph',
  'engine',
  'metrics',
  'methods',
  'tuning',
  'store',
  'image',
  'encoder',
  'dataset',
  'report',
  'export',
  'server',
  'web',
];

const english = [
  group('Begin', [
    'install',
    'tutorials/first-classifier',
    'studio',
    'faq',
    'troubleshooting',
    'teachable-machine',
    'comparison',
  ]),
  group('Tutorials', [
    'tutorials/cleaning-labels',
    'tutorials/none-of-these',
    'tutorials/service',
    'tutorials/paper-table-2',
    'tutorials/add-a-method',
  ]),
  group('Guides', [
    'data',
    'encoders',
    'bench',
    'export',
    'web',
    'server',
    'deployment',
    'scale',
    'extending',
  ]),
  group('Reference', ['cli', 'methods', 'file-format', 'glossary']),
  { text: 'API', collapsed: true, items: ['tip-adapter', ...ENTRIES].map((entry) => link(`api/${entry}`)) },
  group('Background', [
    'results',
    'architecture',
    'decisions',
    'reliability',
    'security',
    'licences',
    'broken-lines',
    'whitened',
    'adaptation',
    'changelog',
    'contributing',
  ]),
];

const chinese = [group('开始', ['zh/install', 'zh/first-classifier', 'zh/studio', 'zh/faq'])];

/** Words; of Chinese, each character is one. */
const tokenize = (text) =>
  text.toLowerCase().match(/\p{Script=Han}|[\p{Script=Latin}\p{Script=Greek}\p{N}_]+/gu) ?? [];

const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0f766e"/><path d="M3 12l3-4 2 2 3-5 2 7z" fill="#fff"/></svg>',
)}`;

export default defineConfig({
  title: 'tip-adapter',
  base: '/tip-adapter/',
  srcDir: 'pages',
  outDir: 'built',
  cacheDir: '.vitepress/.cache',
  // A picture in a frame, drawn here, so that no file is asked for.
  head: [['link', { rel: 'icon', href: ICON }]],
  cleanUrls: true,
  lastUpdated: false,
  // Whole pages are checked afterwards, with their anchors: scripts/links.mjs.
  ignoreDeadLinks: true,
  markdown: { anchor: { slugify: slugOf }, toc: { slugify: slugOf }, headers: { slugify: slugOf } },
  themeConfig: {
    outline: [2, 3],
    i18nRouting: false,
    socialLinks: [{ icon: 'github', link: REPOSITORY }],
    search: {
      provider: 'local',
      options: {
        miniSearch: {
          options: { tokenize },
          searchOptions: { tokenize, prefix: true, fuzzy: 0.15, boost: { title: 4, text: 2, titles: 1 } },
        },
        locales: {
          zh: {
            translations: {
              button: { buttonText: '搜索', buttonAriaLabel: '搜索文档' },
              modal: {
                displayDetails: '显示详细列表',
                resetButtonTitle: '清除',
                backButtonTitle: '关闭',
                noResultsText: '没有结果',
                footer: { selectText: '打开', navigateText: '切换', closeText: '关闭' },
              },
            },
          },
        },
      },
    },
  },
  locales: {
    root: {
      label: 'English',
      lang: 'en',
      description: 'A handful of labelled pictures in, an image classifier out.',
      themeConfig: {
        nav: [
          { text: 'First classifier', link: '/tutorials/first-classifier' },
          { text: 'Commands', link: '/cli' },
          { text: 'API', link: '/api/' },
          { text: 'Results', link: '/results' },
        ],
        sidebar: english,
      },
    },
    zh: {
      label: '简体中文',
      lang: 'zh-CN',
      description: '给出少量带标签的图片，得到一个图像分类器。',
      themeConfig: {
        nav: [
          { text: '第一个分类器', link: '/zh/first-classifier' },
          { text: '全部文档（英文）', link: '/data' },
        ],
        sidebar: chinese,
        outline: { level: [2, 3], label: '本页内容' },
        docFooter: { prev: '上一页', next: '下一页' },
        darkModeSwitchLabel: '深色模式',
        lightModeSwitchTitle: '切换到浅色模式',
        darkModeSwitchTitle: '切换到深色模式',
        sidebarMenuLabel: '目录',
        returnToTopLabel: '回到顶部',
        langMenuLabel: '语言',
        skipToContentLabel: '跳到正文',
      },
    },
  },
});
