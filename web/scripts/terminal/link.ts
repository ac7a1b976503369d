/**
 * The line to one terminal: comes back by itself when it breaks, goes on at the byte where it was, and tells what it is doing.
 * Bytes in and out, no terminal and no page here.
 */
import { numbered, unnumbered } from "./bytes";
import { Outbox } from "./outbox";

export type Size = { cols: number; rows: number };

export interface Listener {
  /** Draws bytes, then calls `drawn`. */
  output(bytes: Uint8Array, offset: number, drawn: () => void): void;
  /** Offsets begin anew: what was drawn belongs to an earlier session. */
  anew(): void;
  gap(from: number, to: number): void;
  viewers(names: string[]): void;
  size(size: Size, yours: boolean): void;
  /** `since` is when the line broke. */
  waiting(since: number): void;
  /** The line stands; `awayMs` is 0 the first time, `lost` counts input that may not have arrived. */
  resumed(awayMs: number, lost: number): void;
  ended(reason: string, code: number | null): void;
  signedOut(): void;
}

type Message =
  | { type: "hello"; epoch: string; from: number; head: number; received: number }
  | { type: "received"; offset: number }
  | { type: "viewers"; names: string[] }
  | { type: "size"; cols: number; rows: number; yours: boolean }
  | { type: "gap"; from: number; to: number }
  | { type: "ended"; reason: string; code: number | null; retry: boolean }
  | { type: "pong" };

const ACK_EVERY = 128 << 10;
const PING_MS = 20_000;
const PONG_MS = 10_000;
const LONGEST_WAIT_MS = 5_000;

export class Link {
  /** The next byte of output wanted. */
  position = 0;
  /** Output before this was there when the page came: a replay. */
  replayed = 0;
  private drawn = 0;
  private acked = 0;
  private epoch = "";
  private socket: WebSocket | undefined;
  private open = false;
  private over = false;
  private tries = 0;
  private brokeAt = Date.now();
  private first = true;
  private heardAt = 0;
  private retry: number | undefined;
  private ackTimer: number | undefined;
  private wish: Size | undefined;
  private readonly outbox = new Outbox();
  /** Names this page over all its connections. */
  private readonly page = crypto.getRandomValues(new Uint32Array(4)).join("-");

  constructor(
    private readonly path: string,
    private readonly listener: Listener,
  ) {
    addEventListener("online", () => this.check());
    addEventListener("offline", () => this.check());
    document.addEventListener("visibilitychange", () => document.hidden || this.check());
    setInterval(() => this.ping(PONG_MS), PING_MS);
    this.connect();
  }

  get waiting(): number {
    return this.outbox.waiting;
  }

  get isOpen(): boolean {
    return this.open;
  }

  input(bytes: Uint8Array): void {
    this.outbox.push(bytes);
    this.flush();
  }

  size(size: Size): void {
    this.wish = size;
    this.tell({ type: "size", ...size });
  }

  /** A person turned to this page. */
  active(): void {
    this.tell({ type: "active" });
  }

  private connect(): void {
    clearTimeout(this.retry);
    const address = new URL(this.path, location.href);
    address.protocol = location.protocol.replace("http", "ws");
    address.search = new URLSearchParams({ from: String(this.position), epoch: this.epoch, page: this.page }).toString();
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      this.heardAt = Date.now();
      if (typeof event.data === "string") this.hear(JSON.parse(event.data) as Message);
      else this.take(...unnumbered(event.data));
    };
    socket.onclose = () => this.broken(socket);
  }

  private broken(socket: WebSocket): void {
    if (socket !== this.socket || this.over) return;
    if (this.open) this.brokeAt = Date.now();
    else void this.ask();
    this.open = false;
    this.listener.waiting(this.brokeAt);
    const wait = Math.min(LONGEST_WAIT_MS, 200 * 2 ** this.tries++);
    this.retry = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
  }

  /** A browser does not say why a socket was refused; the page of the terminal does. */
  private async ask(): Promise<void> {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual", cache: "no-store" }).catch(() => undefined);
    if (!answer || this.over) return;
    if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) this.finish(() => this.listener.signedOut());
    else if (answer.status === 404) this.finish(() => this.listener.ended("this terminal is not known any more", null));
  }

  private finish(tell: () => void): void {
    this.over = true;
    this.open = false;
    clearTimeout(this.retry);
    this.socket?.close();
    tell();
  }

  private hear(message: Message): void {
    switch (message.type) {
      case "hello": {
        if (this.epoch && message.epoch !== this.epoch) this.listener.anew();
        if (message.epoch !== this.epoch) {
          this.position = this.drawn = message.from;
          this.replayed = message.head;
        }
        this.epoch = message.epoch;
        this.acked = message.from;
        const lost = this.outbox.resume(message.received);
        this.open = true;
        this.tries = 0;
        if (this.wish) this.size(this.wish);
        if (document.hasFocus()) this.active();
        this.listener.resumed(this.first ? 0 : Date.now() - this.brokeAt, lost);
        this.first = false;
        this.flush();
        this.ack();
        break;
      }
      case "received":
        this.outbox.confirm(message.offset);
        this.flush();
        break;
      case "viewers":
        this.listener.viewers(message.names);
        break;
      case "size":
        this.listener.size({ cols: message.cols, rows: message.rows }, message.yours);
        break;
      case "gap":
        if (message.to <= this.position) break;
        this.listener.gap(Math.max(message.from, this.position), message.to);
        this.position = message.to;
        this.drawn = message.to;
        this.ack();
        break;
      case "ended":
        if (!message.retry) this.finish(() => this.listener.ended(message.reason, message.code));
        break;
      case "pong":
        break;
    }
  }

  /** Every byte once and in order, whatever the server sends again. */
  private take(offset: number, bytes: Uint8Array): void {
    if (offset > this.position) {
      this.listener.gap(this.position, offset);
      this.position = offset;
    }
    const fresh = bytes.subarray(this.position - offset);
    if (fresh.length === 0) return;
    const at = this.position;
    this.position += fresh.length;
    this.listener.output(fresh, at, () => {
      this.drawn = Math.max(this.drawn, at + fresh.length);
      if (this.drawn - this.acked >= ACK_EVERY) this.ack();
      else this.ackTimer ??= setTimeout(() => this.ack(), 100);
    });
  }

  private ack(): void {
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    if (!this.open || this.drawn <= this.acked) return;
    this.acked = this.drawn;
    this.tell({ type: "ack", offset: this.drawn });
  }

  private flush(): void {
    if (this.open) this.outbox.flush((offset, bytes) => this.socket?.send(numbered(offset, bytes)));
  }

  private tell(message: object): void {
    if (this.open) this.socket?.send(JSON.stringify(message));
  }

  /** Something changed: is the line still there? If it is down, now may be the moment. */
  private check(): void {
    if (this.over) return;
    if (this.open) this.ping(3_000);
    else if (this.socket?.readyState !== WebSocket.CONNECTING) this.connect();
  }

  private ping(within: number): void {
    if (!this.open) return;
    const [socket, asked] = [this.socket, Date.now()];
    this.tell({ type: "ping" });
    setTimeout(() => {
      if (socket !== this.socket || this.heardAt >= asked || !this.open || !socket) return;
      // close() waits for the other side, which is not there.
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
      this.broken(socket);
    }, within);
  }
}
