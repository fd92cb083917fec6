/** File extensions of the formats that are decoded. */
const IMAGE_FILE = /\.(jpe?g|jfif|png|webp|gif|tiff?|avif|hei[cf]|jxl|p[pgn]m)$/i;

/** Whether a file's name has the extension of a picture that can be decoded. */
export function isImagePath(path: string): boolean {
  return IMAGE_FILE.test(path);
}

/** File extensions of picture formats that are not decoded. */
const OTHER_PICTURE =
  /\.(bmp|dib|jp2|j2k|psd|dng|cr[23]|nef|arw|orf|rw2|raf|svg|ico|tga|pbm|exr|hdr|dcm|fits?)$/i;

/** Whether a file's name has the extension of a picture format that cannot be decoded. */
export function isOtherPicture(path: string): boolean {
  return OTHER_PICTURE.test(path);
}
