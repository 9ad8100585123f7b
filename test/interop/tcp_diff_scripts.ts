/** The scripts for tcp_diff.ts, but for those of Fast Open: setup and teardown, options, timers, data. */
import { CLOSE_SCRIPTS } from './tcp_diff_close.ts';
import { OPEN_SCRIPTS } from './tcp_diff_open.ts';
import { RECEIVE_SCRIPTS } from './tcp_diff_receive.ts';
import { REFUSED_SCRIPTS } from './tcp_diff_refused.ts';
import { SEND_SCRIPTS } from './tcp_diff_send.ts';
import { TIMER_SCRIPTS } from './tcp_diff_timers.ts';

export const SCRIPTS: { readonly [name: string]: string } = {
  ...OPEN_SCRIPTS,
  ...CLOSE_SCRIPTS,
  ...REFUSED_SCRIPTS,
  ...TIMER_SCRIPTS,
  ...SEND_SCRIPTS,
  ...RECEIVE_SCRIPTS,
};
