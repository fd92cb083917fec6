const ENGLISH = {
  opening: 'Opening the classifier …',
  drop: 'Drop a picture here, paste one, or',
  choose: 'choose pictures',
  camera: 'Use the camera',
  stop: 'Stop the camera',
  none: 'none of these',
  uncalibrated:
    'The percentages are not calibrated, because too few examples could be left out to calibrate them on.',
  private: 'Works without a network: no picture leaves this computer.',
  unreadable: 'This browser cannot read the picture:',
  noCamera: 'The camera cannot be used:',
  failed: 'The classifier does not work here:',
};

/** The texts of the page in a language. */
export type Messages = Readonly<Record<keyof typeof ENGLISH, string>>;

const CHINESE: Messages = {
  opening: '正在打开分类器……',
  drop: '把图片拖到这里、粘贴，或',
  choose: '选择图片',
  camera: '使用摄像头',
  stop: '关闭摄像头',
  none: '都不是',
  uncalibrated: '这些百分比未经校准，因为可留出用于校准的例子太少。',
  private: '无需联网：图片不会离开这台电脑。',
  unreadable: '浏览器无法读取这张图片：',
  noCamera: '无法使用摄像头：',
  failed: '分类器无法在这里运行：',
};

export const messages: Messages = navigator.language.startsWith('zh') ? CHINESE : ENGLISH;
