/** Numbered bytes on the socket: 8 bytes of offset, big-endian, then the bytes. See server/pages/terminal/protocol.rs. */

const OFFSET = 8;

export function numbered(offset: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(OFFSET + bytes.length);
  new DataView(message.buffer).setBigUint64(0, BigInt(offset));
  message.set(bytes, OFFSET);
  return message;
}

export function unnumbered(message: ArrayBuffer): [offset: number, bytes: Uint8Array<ArrayBuffer>] {
  return [Number(new DataView(message).getBigUint64(0)), new Uint8Array(message, OFFSET)];
}

/** What a mouse report of the old encodings is: one byte a character. */
export function binary(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);
}
