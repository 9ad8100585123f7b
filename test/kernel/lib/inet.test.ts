import { expect, test } from 'vitest';
import { in_aton, inet_ntoa } from '../../../kernel/lib/inet.ts';

test('addresses in text and back', () => {
  for (const text of ['0.0.0.0', '10.1.0.2', '127.0.0.1', '255.255.255.255', '192.168.200.1']) {
    expect(inet_ntoa(in_aton(text))).toBe(text);
  }
  expect(in_aton('255.255.255.255')).toBe(-1);
  expect(in_aton('127.0.0.1')).toBe(0x7f000001);
});

test('what is no dotted quad is NaN', () => {
  for (const text of ['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.x', ' 1.2.3.4', '1..2.3']) {
    expect(in_aton(text)).toBeNaN();
  }
});
