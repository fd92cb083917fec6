/** Formats that are decoded, by the ending of their files. */
const IMAGE_FILE = /\.(jpe?g|jfif|png|webp|gif|tiff?|avif|hei[cf])$/i;

/** Whether a file's name says that it is a picture. */
export function isImagePath(path: string): boolean {
  return IMAGE_FILE.test(path);
}
