/** As tcp_diff_random.test.ts, with many more seeds, fresh ones each time. */
import { testRandomScripts } from './tcp_diff_random_tests.ts';

testRandomScripts(Math.floor(Math.random() * 2 ** 31), 400, 600_000);
