/** The native card's registers that need no more than one unit behind them: each a table for the register file. */
import type { Classifier } from './classify.ts';
import { type Clock, NOW } from './clock.ts';
import type { FlowControl } from './flow.ts';
import type { NicInterrupts } from './interrupts.ts';
import type { Mdio } from './phy.ts';
import type { OpTable, RegOps } from './regfile.ts';
import { NIC, type NicSpecs } from './regs/nic.ts';
import type { Reporter } from './reporter.ts';
import type { Receiver } from './rx.ts';
import {
  ALGNERR,
  BPRC,
  CRCERR,
  CSERR,
  FILT,
  GIANT,
  GORC,
  GOTC,
  GPRC,
  GPTC,
  JRC,
  MPC,
  PRXC,
  PTXC,
  RNBC,
  RUNT,
  RXDISC,
  RXDMAE,
  RXOFF,
  type Stats,
  TSOC,
  TXERR,
  TXLOST,
} from './stats.ts';

type Ops = OpTable<NicSpecs>;

const { MDIC, VLCR, FCCR, ITR, RETA } = NIC;
const NS_PER_US = 1000;
const TWO_32 = 2 ** 32;

export function statisticsRegisters(stats: Stats): Ops {
  const counter = (index: number): RegOps => ({
    read: () => stats.take(index),
    peek: () => stats.counts[index] as number,
  });
  return {
    GPRC: counter(GPRC),
    GORC: counter(GORC),
    GPTC: counter(GPTC),
    GOTC: counter(GOTC),
    MPC: counter(MPC),
    RNBC: counter(RNBC),
    FILT: counter(FILT),
    CRCERR: counter(CRCERR),
    ALGNERR: counter(ALGNERR),
    RUNT: counter(RUNT),
    GIANT: counter(GIANT),
    RXOFF: counter(RXOFF),
    TXERR: counter(TXERR),
    RXDMAE: counter(RXDMAE),
    TXLOST: counter(TXLOST),
    BPRC: counter(BPRC),
    RXDISC: counter(RXDISC),
    PRXC: counter(PRXC),
    PTXC: counter(PTXC),
    JRC: counter(JRC),
    CSERR: counter(CSERR),
    TSOC: counter(TSOC),
  };
}

export function interruptRegisters(interrupts: NicInterrupts): Ops {
  return {
    ISR: { read: () => interrupts.status, write: (_, value) => interrupts.acknowledge(value) },
    IMS: { read: () => interrupts.mask, write: (_, value) => interrupts.enable(value) },
    IMC: { write: (_, value) => interrupts.disable(value) },
    ICS: { write: (_, value) => interrupts.raise(value) },
    TIDV: {
      read: () => interrupts.lateBy / NS_PER_US,
      write: (_, value) => {
        interrupts.lateBy = value * NS_PER_US;
      },
    },
    QSR: {
      read: index => interrupts.queueStatus[index] as number,
      write: (index, value) => interrupts.acknowledgeQueue(index, value),
    },
    QMS: {
      read: index => interrupts.queueMask[index] as number,
      write: (index, value) => interrupts.enableQueue(index, value),
    },
    QMC: { write: (index, value) => interrupts.disableQueue(index, value) },
    QCS: {
      write: (index, value) => {
        if (value !== 0) interrupts.raise(value, index);
      },
    },
    ITR: {
      read: index =>
        (interrupts.interval[index] as number) / NS_PER_US + (interrupts.limit[index] as number) * 2 ** ITR.COUNT.lsb,
      write: (index, value) =>
        interrupts.moderate(index, (value & ITR.TIME.mask) * NS_PER_US, (value & ITR.COUNT.mask) >>> ITR.COUNT.lsb),
    },
  };
}

export function messageRegisters(interrupts: NicInterrupts): Ops {
  const word = (words: Int32Array): RegOps => ({
    read: index => words[index] as number,
    write: (index, value) => {
      words[index] = value;
    },
  });
  return {
    MTADR: word(interrupts.address),
    MTADRH: word(interrupts.addressHigh),
    MTDATA: word(interrupts.data),
    MTCTL: {
      read: index => interrupts.masked[index] as number,
      write: (index, value) => interrupts.maskVector(index, value !== 0),
    },
    PBA: { read: () => interrupts.pending },
  };
}

export function steeringRegisters(classifier: Classifier): Ops {
  const { steering } = classifier;
  const { table } = steering;
  const fields = [RETA.E0, RETA.E1, RETA.E2, RETA.E3];
  return {
    RSSC: {
      read: () => steering.types,
      write: (_, value) => {
        steering.types = value;
        classifier.configured();
      },
    },
    RETA: {
      read: index => fields.reduce((word, field, i) => word | ((table[4 * index + i] as number) << field.lsb), 0),
      write: (index, value) => {
        for (let i = 0; i < 4; i++) {
          const field = fields[i] as (typeof fields)[0];
          table[4 * index + i] = (value & field.mask) >>> field.lsb;
        }
      },
    },
    RSSK: {
      read: index => steering.keyWord(index),
      write: (index, value) => steering.setKeyWord(index, value),
    },
  };
}

export function checkRegisters(classifier: Classifier): Ops {
  return {
    RXCSC: {
      read: () => classifier.checks,
      write: (_, value) => {
        classifier.checks = value;
        classifier.configured();
      },
    },
  };
}

export function vlanRegisters(receiver: Receiver, classifier: Classifier): Ops {
  return {
    VLCR: {
      read: () => (classifier.strip ? VLCR.STRIP.mask : 0) | (receiver.vlanFilter ? VLCR.FILTER.mask : 0),
      write: (_, value) => {
        classifier.strip = (value & VLCR.STRIP.mask) !== 0;
        receiver.vlanFilter = (value & VLCR.FILTER.mask) !== 0;
        classifier.configured();
      },
    },
    VFTA: {
      read: index => receiver.vlans[index] as number,
      write: (index, value) => {
        receiver.vlans[index] = value;
      },
    },
  };
}

export function flowRegisters(flow: FlowControl, reporter: Reporter): Ops {
  return {
    FCCR: {
      read: () =>
        (flow.honour ? FCCR.RPE.mask : 0) |
        (flow.send ? FCCR.TPE.mask : 0) |
        (flow.low << FCCR.XOFF.lsb) |
        (flow.high << FCCR.XON.lsb),
      write: (_, value) => {
        flow.honour = (value & FCCR.RPE.mask) !== 0;
        flow.send = (value & FCCR.TPE.mask) !== 0;
        flow.low = (value & FCCR.XOFF.mask) >>> FCCR.XOFF.lsb;
        flow.high = (value & FCCR.XON.mask) >>> FCCR.XON.lsb;
        if (flow.send && flow.low >= flow.high) reporter.report('pause-thresholds', FCCR.offset, value);
        flow.check();
      },
    },
    PTIME: {
      read: () => flow.quanta,
      write: (_, value) => {
        flow.quanta = value;
      },
    },
  };
}

/** `done`: an access that takes no time is over within the write. */
export function mdioRegisters(mdio: Mdio, done: () => void): Ops {
  return {
    MDIC: {
      read: () =>
        mdio.data |
        (mdio.register << MDIC.REG.lsb) |
        (mdio.phy << MDIC.PHY.lsb) |
        (mdio.op << MDIC.OP.lsb) |
        (mdio.ready ? MDIC.READY.mask : 0) |
        (mdio.failed ? MDIC.ERR.mask : 0),
      write: (_, value) => {
        mdio.start(
          (value & MDIC.OP.mask) >>> MDIC.OP.lsb,
          (value & MDIC.PHY.mask) >>> MDIC.PHY.lsb,
          (value & MDIC.REG.mask) >>> MDIC.REG.lsb,
          value & MDIC.DATA.mask,
          MDIC.offset,
          value,
        );
        if (mdio.ready) done();
      },
    },
  };
}

/** TIMEL and TIMEH: the upper half waits from the read of the lower one. */
export class TimeRegisters {
  private readonly clock: Clock;
  private high: number;

  constructor(clock: Clock) {
    this.clock = clock;
    this.high = 0;
  }

  operations(): Ops {
    return {
      TIMEL: {
        read: () => {
          this.high = Math.floor((this.clock[NOW] as number) / TWO_32);
          return this.clock[NOW] as number;
        },
        peek: () => this.clock[NOW] as number,
      },
      TIMEH: { read: () => this.high },
    };
  }
}
