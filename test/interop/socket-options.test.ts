/** Options of SOL_SOCKET through the door for judges and on this machine's Linux: the same bytes in, the same bytes out. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { DrillHost } from '../../harness/drill/api.ts';
import { testOnTap } from '../needs.ts';

type Question = readonly [kind: 'tcp' | 'udp', level: number, option: number, given: string | null, room: number];
type Answer = readonly [status: number, value: string | number];

const SOL_SOCKET = 1;
const SOL_TCP = 6;
const AF_INET = 2;
const TYPES = { tcp: 1, udp: 2 };

function hex(...values: readonly number[]): string {
  return Buffer.from(Int32Array.from(values).buffer).toString('hex');
}

function askLinux(questions: readonly Question[]): Answer[] {
  const program = fileURLToPath(new URL('socket-options.py', import.meta.url));
  const out = execFileSync('unshare', ['-n', 'python3', program], { input: JSON.stringify(questions) });
  return JSON.parse(out.toString()) as Answer[];
}

function askOurs(questions: readonly Question[]): Answer[] {
  const host = new DrillHost();
  const answers = questions.map(([kind, level, option, given, room]): Answer => {
    const fd = host.socket(AF_INET, TYPES[kind], 0).result;
    let status = 0;
    if (given !== null) status = -host.setsockopt(fd, level, option, Buffer.from(given, 'hex')).result;
    const asked = host.getsockopt(fd, level, option, room);
    const value = asked.result < 0 ? asked.result : Buffer.from(asked.value as Uint8Array).toString('hex');
    expect(host.close(fd).result).toBe(0);
    return [status === 0 ? 0 : status, value];
  });
  expect(host.end()).toEqual([]);
  return answers;
}

const SO_ZEROCOPY = 60;

/** Those whose answer is the same on every machine, or for every socket that has just been made. */
const OPTIONS = [
  ...[1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 28, 29, 30, 31, 34, 35, 36, 37],
  ...[38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 52, 53, 54, 56, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 69],
  ...[70, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 90],
];

testOnTap()('every option with every value: as Linux', { timeout: 60_000 }, () => {
  const values = [null, hex(0), hex(1), hex(-1), hex(100_000), hex(1, 1), hex(2, 0, 500_000, 0), '01', ''];
  const questions = (['tcp', 'udp'] as const).flatMap(kind =>
    // Datagrams are always copied here, and the option says so.
    OPTIONS.filter(option => kind === 'tcp' || option !== SO_ZEROCOPY).flatMap(option => [
      ...values.map((given): Question => [kind, SOL_SOCKET, option, given, 64]),
      [kind, SOL_SOCKET, option, null, 3] as const,
    ]),
  );
  // Of TCP's those of TCP_REPAIR.
  for (const option of [19, 20, 21, 22, 29]) {
    for (const given of values) for (const room of [64, 20, 4]) questions.push(['tcp', SOL_TCP, option, given, room]);
  }
  const linux = askLinux(questions);
  const ours = askOurs(questions);
  const wrong = questions.flatMap((question, i) => {
    const [theirs, own] = [JSON.stringify(linux[i]), JSON.stringify(ours[i])];
    return theirs === own ? [] : [`${JSON.stringify(question)}: Linux ${theirs}, ours ${own}`];
  });
  expect(wrong).toEqual([]);
});
