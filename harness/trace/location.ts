/** Which function dropped a packet: what `location` is to Linux's skb:kfree_skb, read from the call stack. */

interface CallSite {
  getFunctionName(): string | null;
  getFileName(): string | null | undefined;
}

export interface Location {
  /** `udp_rcv`; '' when the engine does not tell. */
  readonly name: string;
  /** Ends with the path in the repository. */
  readonly path: string;
}

/** Ways to kfree_skb_reason, which are not where a decision was made. */
const HELPERS: ReadonlySet<string> = new Set([
  'drop',
  'error',
  'packet_drop',
  'qdisc_drop',
  'kfree_skb_list',
  'purge',
  'rtnl_kfree_skbs',
]);
const NOWHERE: Location = { name: '', path: '' };
const DEPTH = 24;

/** The function that decided to drop, for a tracepoint's observer. Only V8 tells; elsewhere there is no location. */
export function dropLocation(): Location {
  const engine = Error as { stackTraceLimit?: number; prepareStackTrace?: unknown };
  const { stackTraceLimit, prepareStackTrace } = engine;
  engine.stackTraceLimit = DEPTH;
  engine.prepareStackTrace = (_error: unknown, sites: CallSite[]): CallSite[] => sites;
  const sites: unknown = new Error().stack;
  engine.prepareStackTrace = prepareStackTrace;
  if (stackTraceLimit !== undefined) engine.stackTraceLimit = stackTraceLimit;
  if (!Array.isArray(sites)) return NOWHERE;
  for (const site of sites as CallSite[]) {
    const path = site.getFileName() ?? '';
    if (!/\/(kernel|driver)\//.test(path) || path.endsWith('/core/skbuff.ts')) continue;
    const name = (site.getFunctionName() ?? '').replace(/^.*\./, '');
    if (!HELPERS.has(name)) return { name, path };
  }
  return NOWHERE;
}
