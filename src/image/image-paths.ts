/** Formats that are decoded, by the ending of their files. */
const IMAGE_FILE = /\.(jpe?g|jfif|png|webp|gif|tiff?|avif|hei[cf])$/i;

/** Whether a file's name says that it is a picture. */
export function isImagePath(path: string): boolean {
  return IMAGE_FILE.test(path);
}

/** Formats of pictures that are not decoded. */
const OTHER_PICTURE =
  /\.(bmp|dib|jp2|j2k|jxl|psd|dng|cr[23]|nef|arw|orf|rw2|raf|svg|ico|tga|p[pgbn]m|exr|hdr|dcm|fits?)$/i;

/** Whether a file's name says that it is a picture of a format that is not read. */
export function isOtherPicture(path: string): boolean {
  return OTHER_PICTURE.test(path);
}
