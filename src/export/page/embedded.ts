/** Characters decoded at a time: a multiple of four, so that each piece is whole. */
const PIECE = 1 << 20;

/** Returns the bytes that the page embeds under an id as gzip in base64, and removes their text from the page to free memory. */
export async function takeEmbedded(id: string): Promise<Uint8Array> {
  const element = document.getElementById(id);
  const text = element?.textContent ?? '';
  element?.remove();
  let at = 0;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (at >= text.length) return controller.close();
      const piece = atob(text.slice(at, at + PIECE));
      const bytes = new Uint8Array(piece.length);
      for (let i = 0; i < piece.length; i++) bytes[i] = piece.charCodeAt(i);
      at += PIECE;
      controller.enqueue(bytes);
    },
  });
  return new Uint8Array(
    await new Response(source.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer(),
  );
}
