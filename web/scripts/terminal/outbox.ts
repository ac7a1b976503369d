/**
 * Input on its way to the server: numbered, kept until the server has handed it on, and never more in flight than the server takes.
 * What a lost connection may have swallowed is sent again by number, so nothing is typed twice.
 */

const PIECE = 32 << 10;
/** As INPUT_WINDOW in server/pages/terminal/protocol.rs. */
const WINDOW = 256 << 10;

export class Outbox {
  /** Pieces not confirmed yet; the first begins at `confirmed`. */
  private pieces: Uint8Array[] = [];
  private confirmed = 0;
  private sent = 0;
  private end = 0;

  /** Bytes that are not confirmed yet. */
  get waiting(): number {
    return this.end - this.confirmed;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE) this.pieces.push(bytes.subarray(at, at + PIECE));
    this.end += bytes.length;
  }

  /** Hands to `send` what may go now. */
  flush(send: (offset: number, bytes: Uint8Array) => void): void {
    let at = this.confirmed;
    for (const piece of this.pieces) {
      const end = at + piece.length;
      if (end > this.sent) {
        if (end > this.confirmed + WINDOW) return;
        send(this.sent, piece.subarray(this.sent - at));
        this.sent = end;
      }
      at = end;
    }
  }

  /** The server has handed on everything before `offset`. */
  confirm(offset: number): void {
    while (this.confirmed < offset) {
      const piece = this.pieces.shift();
      if (!piece) return;
      const rest = piece.subarray(offset - this.confirmed);
      this.confirmed = Math.min(offset, this.confirmed + piece.length);
      if (rest.length > 0) this.pieces.unshift(rest);
    }
    this.sent = Math.max(this.sent, this.confirmed);
  }

  /**
   * A new connection, whose server has `received` bytes of this page. A server that was started anew has none: what was sent and not
   * confirmed may have arrived or not, and is given up rather than typed twice. Returns the number of such bytes.
   */
  resume(received: number): number {
    if (received >= this.confirmed) {
      this.sent = this.confirmed;
      this.confirm(received);
      return 0;
    }
    const lost = this.sent - this.confirmed;
    this.confirm(this.sent);
    const waiting = this.end - this.confirmed;
    [this.confirmed, this.sent, this.end] = [received, received, received + waiting];
    return lost;
  }
}
