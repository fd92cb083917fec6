/** Lower-case names of the files that operating systems, network drives, cloud storage and tools leave in folders and archives. */
const NAMES = new Set(
  `__macosx .ds_store .appledouble .appledb .appledesktop .apdisk .localized .volumeicon.icns .fseventsd .spotlight-v100
  .trashes .trash .temporaryitems .documentrevisions-v100 .mobilebackups
  thumbs.db ehthumbs.db ehthumbs_vista.db zbthumbnail.info desktop.ini $recycle.bin lost+found
  .directory .nomedia .hidden .thumbnails .xvpics .picasa.ini picasa.ini .picasaoriginals .dtrash .comments
  @eadir #recycle #snapshot @tmp @sharebin @recycle @recently-snapshot .@__thumb .snapshot .snapshots .zfs
  .dropbox .dropbox.cache .dropbox.attr .tmp.drivedownload .tmp.driveupload .sync .stfolder .stversions .stignore
  .git .gitignore .gitattributes .gitmodules .gitkeep .keep .svn .hg .hgignore .bzr .dvc .dvcignore .lfsconfig
  .ipynb_checkpoints __pycache__ .cache .venv .idea .vscode .vs .pytest_cache .mypy_cache .ruff_cache .huggingface
  node_modules`.split(/\s+/),
);

/** Names with a variable part, a blank or a control character. */
const PATTERN = new RegExp(
  [
    String.raw`\._.*`,
    String.raw`icon\r`,
    'system volume information|network trash folder|temporary items|thevolumesettingsfolder',
    String.raw`found\.\d{3}`,
    String.raw`\.trash-\d+`,
    String.raw`\.com\.apple\..*`,
    String.raw`\.(nfs|fuse_hidden)[0-9a-f]{8,}`,
    String.raw`\.~lock\..*#`,
  ]
    .map((one) => `^(${one})$`)
    .join('|'),
);

/** Whether a file or folder of this name never belongs to a data set. */
export function isLeftover(name: string): boolean {
  const lower = name.toLowerCase();
  return NAMES.has(lower) || PATTERN.test(lower);
}

/** Whether operating systems hide a file or folder of this name. */
export function isHidden(name: string): boolean {
  return name.startsWith('.');
}
