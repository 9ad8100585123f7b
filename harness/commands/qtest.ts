/** `ringside qtest`: our cards behind QEMU's qtest protocol, for clients that speak it already. */
import { type Command, InvalidArgumentError } from 'commander';
import { UsageError } from '../cli/errors.ts';
import { onInterrupt } from '../cli/interrupt.ts';
import type { RegisterCommand } from '../cli/main.ts';
import { countBetween } from '../cli/options.ts';
import { parseMac } from '../packet/address.ts';
import { NE2000_IRQ, NE2000_PORT, NIC_ADDRESS, NIC_IRQ } from '../qtest/machine.ts';
import { type Address, parseAddress, QtestServer } from '../qtest/server.ts';
import { parseRate } from './trace.ts';

interface QtestOptions {
  readonly listen?: Address;
  readonly connect?: Address;
  readonly framesListen?: Address;
  readonly framesConnect?: Address;
  readonly mac: string;
  /** MiB */
  readonly ram: number;
  /** KiB */
  readonly memory: number;
  readonly rate: number | 'instant';
  readonly once?: boolean;
}

const hex = (value: number): string => `${value.toString(16).toUpperCase()}h`;

const HELP = `
An ADDRESS is unix:PATH or tcp:HOST:PORT. --listen waits for clients, which are served one after the other, each with a
freshly powered machine; --connect goes to a client that waits, as QEMU's -qtest does, and ends with it.

The machine: the NE2000 at I/O ports ${hex(NE2000_PORT)}–${hex(NE2000_PORT + 31)}, interrupt ${NE2000_IRQ}; the native card's registers at memory address
${hex(NIC_ADDRESS)}, interrupt ${NIC_IRQ}; RAM from 0, which is also where the native card's DMA goes. Virtual time stands still but for
clock_step and clock_set.

Commands: inb inw inl outb outw outl readb readw readl readq writeb writew writel writeq read write b64read b64write memset
clock_step clock_set irq_intercept_in irq_intercept_out endianness. What is wrong is answered by FAIL and a reason.

Frames go over a socket of their own, without FCS, each after four bytes with its length, high byte first (QEMU's
"stream" and "socket" network backends); both cards are on that wire.`;

function address(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function mac(text: string): string {
  try {
    parseMac(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}

export const registerQtest: RegisterCommand = (program: Command) => {
  program
    .command('qtest')
    .description("serve QEMU's qtest line protocol: register-level clients drive our cards")
    .option('--listen <address>', 'wait for clients there', address)
    .option('--connect <address>', 'go to a client that waits there', address)
    .option('--frames-listen <address>', 'wait there for the other end of the wire', address)
    .option('--frames-connect <address>', 'go there for the other end of the wire', address)
    .option('--mac <address>', "the NE2000's; the native card's is one higher", mac, '52:54:00:12:34:56')
    .option('--ram <MiB>', 'RAM, 1 to 1024', countBetween(1, 1024), 16)
    .option('--memory <KiB>', "the native card's packet memory, 4 to 48", countBetween(4, 48), 4)
    .option('--rate <rate>', 'link rate in bit/s (10M, 1000M) or instant', parseRate, 'instant')
    .option('--once', 'end with the first client')
    .addHelpText('after', HELP)
    .action(async (options: QtestOptions) => {
      const { listen, connect, framesListen, framesConnect } = options;
      if ((listen === undefined) === (connect === undefined)) {
        throw new UsageError('one of --listen and --connect is needed');
      }
      if (framesListen !== undefined && framesConnect !== undefined) {
        throw new UsageError('--frames-listen and --frames-connect exclude each other');
      }
      const server = new QtestServer({
        ...(listen === undefined ? {} : { listen }),
        ...(connect === undefined ? {} : { connect }),
        ...(framesListen === undefined ? {} : { framesListen }),
        ...(framesConnect === undefined ? {} : { framesConnect }),
        mac: parseMac(options.mac),
        ram: options.ram * 1024 * 1024,
        nicMemory: options.memory * 1024,
        rate: options.rate,
        once: options.once === true,
        log: text => void process.stderr.write(`ringside qtest: ${text}\n`),
      });
      const release = onInterrupt(() => server.close());
      try {
        await server.open();
        await server.ended;
      } finally {
        release();
      }
    });
};
