/** A qtest client for tests: it talks over real sockets. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

type Where = { readonly path: string } | { readonly host: string; readonly port: number };

export function reach(where: Where): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(where);
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

/** One connection: commands go out in order, answers come in order. */
export class QtestClient {
  readonly socket: Socket;
  /** `IRQ raise N` and `IRQ lower N` lines so far. */
  readonly irqs: string[] = [];
  private rest = '';
  private readonly pending: ((answer: string) => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      const lines = (this.rest + chunk).split('\n');
      this.rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('IRQ ')) this.irqs.push(line);
        else this.pending.shift()?.(line);
      }
    });
    socket.on('close', () => {
      for (const answer of this.pending.splice(0)) answer('(closed)');
    });
  }

  /** The whole answer line. */
  send(line: string): Promise<string> {
    return new Promise(resolve => {
      this.pending.push(resolve);
      this.socket.write(`${line}\n`);
    });
  }

  /** The value of an `OK VALUE` answer. */
  async value(line: string): Promise<number> {
    const answer = await this.send(line);
    if (!answer.startsWith('OK ')) throw new Error(`${line}: ${answer}`);
    return Number(answer.slice(3));
  }

  close(): Promise<void> {
    return new Promise(resolve => {
      this.socket.once('close', () => resolve());
      this.socket.end();
    });
  }
}

/** The other end of a frame socket. */
export class FramePeer {
  readonly socket: Socket;
  received: Uint8Array[] = [];
  private rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.rest = Buffer.concat([this.rest, chunk]);
      while (this.rest.length >= 4 && this.rest.length >= 4 + this.rest.readUInt32BE(0)) {
        const end = 4 + this.rest.readUInt32BE(0);
        this.received.push(Uint8Array.from(this.rest.subarray(4, end)));
        this.rest = this.rest.subarray(end);
      }
    });
  }

  send(bytes: Uint8Array): void {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(bytes.length);
    this.socket.write(Buffer.concat([head, bytes]));
  }
}

/** Waits for the first connection to a server. */
export function accept(server: Server): Promise<Socket> {
  return new Promise(resolve => server.once('connection', resolve));
}

export async function listening(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}
