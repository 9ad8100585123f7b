/** Node's own http on an emulated host: its server over our listening sockets, its client over our connections. */
import { Agent, type AgentOptions, type ClientRequestArgs, type Server as HttpServer } from 'node:http';
import type { Host } from '../machine/host.ts';
import { Server, Socket } from './net.ts';
import type { NodeRun } from './run.ts';

/**
 * A listening socket of `host` whose connections go to `server` (`http.createServer(...)`). Responses carry the
 * simulated date. The server's own `listen` is not called: its checks of header and request timeouts, which are on real
 * time, do not run; idle and keep-alive timeouts, which are the sockets', do.
 */
export function serveHttp(run: NodeRun, host: Host, server: HttpServer): Server {
  server.prependListener('request', (_request, response) => {
    response.sendDate = false;
    response.setHeader('Date', run.date().toUTCString());
  });
  return new Server(run, host, { allowHalfOpen: true, noDelay: true }, socket => server.emit('connection', socket));
}

/** An agent for `http.request({ agent, … })`: connections are the host's. */
export class HttpAgent extends Agent {
  private readonly run: NodeRun;
  private readonly from: Host;

  constructor(run: NodeRun, host: Host, options: AgentOptions = {}) {
    super(options);
    this.run = run;
    this.from = host;
  }

  /** Called by http: `host` is an IPv4 address. */
  override createConnection(options: ClientRequestArgs): Socket {
    const { host, port, localAddress } = options;
    return new Socket(this.run, this.from).connect({
      port: Number(port ?? 80),
      noDelay: true,
      ...(host == null ? {} : { host }),
      ...(localAddress === undefined ? {} : { localAddress }),
    });
  }
}
