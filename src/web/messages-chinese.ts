/** Messages of one language, by the code of the error. English messages come with the errors. */
export type Messages = Readonly<Record<string, (details: Record<string, unknown>) => string>>;

/** Messages in Chinese, by the code of the error. */
export const CHINESE: Messages = {
  'classifier/other-encoder': () =>
    '这个分类器是用另一个编码器训练的。请使用训练时的编码器，或用现在的编码器重新训练。',
  'classifier/damaged': () => '分类器文件已损坏或不完整。请重新训练，或改用另一份文件。',
  'encoder/json': () => '编码器的文件已损坏。请重新导出，并上传整个文件夹。',
  'encoder/record': () => '编码器的描述文件（record）无法使用。请重新导出。',
  'engine/memory': () => '内存不足。请关闭其他页面，或使用更小的编码器，然后重试。',
  'engine/runtime': () => '模型无法在这个浏览器中运行。',
  'image/unreadable': () => '浏览器无法读取这张图片。请使用 JPEG、PNG 或 WebP。',
  'image/too-large': () => '图片太大，浏览器无法处理。请使用较小的图片。',
  'web/camera-busy': () => '摄像头正被其他程序使用。请关闭该程序后重试。',
  'web/camera-missing': () => '没有找到摄像头。请连接摄像头后重试。',
  'web/camera-refused': () => '未获准使用摄像头。请在浏览器的设置中允许后重试。',
  'web/encoder-url': () => '打开单独的分类器文件时，需要给出编码器的网址。',
  'web/incomplete': ({ url }) => `${url} 不是导出时的文件。上传可能尚未完成，请重新上传整个文件夹。`,
  'web/insecure': () => '摄像头只能在 https 页面或本机页面中使用。',
  'web/network': ({ url }) =>
    url
      ? `无法获取 ${url}。请检查网络连接。`
      : '无法加载程序的一部分。请检查网络连接后重试。如果仍然失败，请保存您的工作，然后重新加载页面。',
  'web/no-texts': () => '新的类别需要文本编码器，而这个网站没有。请重新导出。',
  'web/not-found': ({ url }) => `找不到 ${url}。请检查网址，并上传整个文件夹。`,
  'web/picture': () => '无法读取这张图片。请等待它加载完成；来自其他网站的图片需要对方允许。',
  'web/policy': () => '这个页面不能运行 WebAssembly。请在内容安全策略的 script-src 中加入 wasm-unsafe-eval。',
  'web/site': ({ where }) => `${where} 不是 tip-adapter 导出的网站。请重新导出，并上传整个文件夹。`,
  'web/worker': () => '无法启动计算线程。',
};
