/** The full counts of host.test.ts. */
import { CASE_TIMEOUT_MS, pingFlood, pingsInARow, udpEchoes } from './cases.ts';
import { interop } from './lab.ts';

const options = { timeoutMs: 2 * CASE_TIMEOUT_MS };

interop('ping -c 1000 -i 0.002: all answered, median below 1 ms', lab => pingsInARow(lab, 1000), options);

interop('ping -f -c 20000: all answered', lab => pingFlood(lab, 20_000), options);

interop('UDP echo: 10000 datagrams of 1 to 1472 bytes come back equal', lab => udpEchoes(lab, 10_000), options);
