/** What TCP keeps for each net besides its sysctls (struct netns_ipv4, tcp_death_row, percpu counters). */
import type { net } from '../core/net_namespace.ts';
import { inet_hashinfo } from './inet_hashtables.ts';
import { flowi4 } from './route.ts';
import { secure_seq_state } from './secure_seq.ts';
import { syncookie_state } from './syncookies.ts';
import { tcp_fastopen_state } from './tcp_fastopen.ts';
import { tcp_sigpool } from './tcp_md5.ts';
import { tcp_initial_window } from './tcp_output.ts';
import { tcp_options_received } from './tcp_sock.ts';

export class tcp_pernet {
  readonly hashinfo: inet_hashinfo;
  readonly secure: secure_seq_state;
  readonly cookies: syncookie_state;
  readonly fastopen: tcp_fastopen_state;
  /** Connections in TIME_WAIT (tcp_death_row.tw_refcount). */
  tw_count = 0;
  /** The first window of what is being answered. */
  readonly window = new tcp_initial_window();
  /** Scratch for what is atomic: options of the segment in hand, the flow of what is being sent. */
  readonly tmp_opt = new tcp_options_received();
  readonly fl4 = new flowi4();
  readonly sigpool = new tcp_sigpool();
  /** The ISN of a SYN that takes over a connection in TIME_WAIT (tcp_tw_isn); 0: none. */
  tw_isn = 0;

  constructor(net: net) {
    this.hashinfo = new inet_hashinfo(net);
    this.secure = new secure_seq_state(net);
    this.cookies = new syncookie_state(net);
    this.fastopen = new tcp_fastopen_state(net);
  }
}
