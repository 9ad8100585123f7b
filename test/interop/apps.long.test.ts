/** As apps.test.ts, with more data and more time. */
import { connections, curlBothWays, iperfBothWays } from './apps.ts';

const SOME = { loss: 0.01, duplicate: 0.01, reorder: 0.01 };
const WORSE = { loss: 0.05, duplicate: 0.02, reorder: 0.05 };

curlBothWays('curl and Node http on our host: 100 MB each way, equal', 100, null, 180_000);
curlBothWays('1 % lost, doubled, reordered: 20 MB each way, equal', 20, SOME, 180_000);
curlBothWays('5 % lost, 2 % doubled, 5 % reordered: 5 MB each way, equal', 5, WORSE, 180_000);
iperfBothWays('iperf3 for 10 s: to us, from us, four streams', 10, null);
iperfBothWays('iperf3 for 10 s over a wire with faults', 10, SOME);
connections('1000 connections in turn, 1000 at once', 1000, null);
connections('200 connections in turn and at once, 1 % lost, doubled, reordered', 200, SOME);
connections('200 connections in turn and at once, 5 % lost, 2 % doubled, 5 % reordered', 200, WORSE);
