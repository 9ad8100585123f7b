/** Offsets, bits and reset values typed again by hand: card and driver share one declaration, so it must not drift. */
import { expect, test } from 'vitest';
import * as cause from '../../device/irq.ts';
import { PAGE_HEADER, RXD, TXC, TXD } from '../../device/regs/desc.ts';
import { NIC, NIC_BAR_SIZE, NIC_DEVICE_ID, NIC_VENDOR_ID } from '../../device/regs/nic.ts';
import { Bench } from './bench.ts';

const GOLDEN: Record<string, [offset: number, access: string, reset: number]> = {
  ID: [0x000, 'ro', 0x52490001],
  CTRL: [0x004, 'rw', 0],
  STATUS: [0x008, 'ro', 1],
  EERD: [0x00c, 'rw', 0],
  MAC0: [0x010, 'rw', 0],
  MAC1: [0x014, 'rw', 0],
  MAR0: [0x018, 'rw', 0],
  MAR1: [0x01c, 'rw', 0],
  RCR: [0x020, 'rw', 0],
  TCR: [0x024, 'rw', 0],
  MAXLEN: [0x028, 'rw', 1514],
  MDIC: [0x02c, 'rw', 0x10000000],
  VLCR: [0x030, 'rw', 0],
  RXCSC: [0x034, 'rw', 0],
  FCCR: [0x038, 'rw', 0],
  PTIME: [0x03c, 'rw', 0xffff],
  ISR: [0x040, 'w1c', 0x80],
  IMS: [0x044, 'w1s', 0],
  IMC: [0x048, 'wo', 0],
  ICS: [0x04c, 'wo', 0],
  TIMEL: [0x050, 'ro', 0],
  TIMEH: [0x054, 'ro', 0],
  RSSC: [0x058, 'rw', 0],
  TIDV: [0x05c, 'rw', 0],
  PSTART: [0x080, 'rw', 0x46],
  PSTOP: [0x084, 'rw', 0x50],
  CURR: [0x088, 'ro', 0x46],
  BNRY: [0x08c, 'rw', 0x4f],
  TPSR: [0x090, 'rw', 0x40],
  PMSZ: [0x094, 'ro', 0x00104000],
  PTX: [0x098, 'rw', 0],
  RSAR: [0x0a0, 'rw', 0x4000],
  RBCR: [0x0a4, 'rw', 0],
  DATA: [0x0a8, 'rw', 0],
  RDBA: [0x100, 'rw', 0],
  RDBAH: [0x104, 'rw', 0],
  RDLEN: [0x108, 'rw', 0],
  RDH: [0x10c, 'ro', 0],
  RDT: [0x110, 'rw', 0],
  RDCTL: [0x114, 'rw', 0],
  TDBA: [0x200, 'rw', 0],
  TDBAH: [0x204, 'rw', 0],
  TDLEN: [0x208, 'rw', 0],
  TDH: [0x20c, 'ro', 0],
  TDT: [0x210, 'rw', 0],
  TDCTL: [0x214, 'rw', 0],
  QSR: [0x300, 'w1c', 0],
  QMS: [0x304, 'w1s', 0],
  QMC: [0x308, 'wo', 0],
  QCS: [0x30c, 'wo', 0],
  ITR: [0x310, 'rw', 0],
  GPRC: [0x400, 'rc', 0],
  GORC: [0x404, 'rc', 0],
  GPTC: [0x408, 'rc', 0],
  GOTC: [0x40c, 'rc', 0],
  MPC: [0x410, 'rc', 0],
  RNBC: [0x414, 'rc', 0],
  FILT: [0x418, 'rc', 0],
  CRCERR: [0x41c, 'rc', 0],
  ALGNERR: [0x420, 'rc', 0],
  RUNT: [0x424, 'rc', 0],
  GIANT: [0x428, 'rc', 0],
  RXOFF: [0x42c, 'rc', 0],
  TXERR: [0x430, 'rc', 0],
  RXDMAE: [0x434, 'rc', 0],
  TXLOST: [0x438, 'rc', 0],
  BPRC: [0x43c, 'rc', 0],
  RXDISC: [0x440, 'rc', 0],
  PRXC: [0x444, 'rc', 0],
  PTXC: [0x448, 'rc', 0],
  JRC: [0x44c, 'rc', 0],
  CSERR: [0x450, 'rc', 0],
  TSOC: [0x454, 'rc', 0],
  RETA: [0x500, 'rw', 0],
  RSSK: [0x580, 'rw', 0],
  MTADR: [0x600, 'rw', 0],
  MTADRH: [0x604, 'rw', 0],
  MTDATA: [0x608, 'rw', 0],
  MTCTL: [0x60c, 'rw', 1],
  PBA: [0x680, 'ro', 0],
  VFTA: [0x800, 'rw', 0],
};

test('every register has the offset, access right and reset value that are typed here', () => {
  const declared = Object.fromEntries(Object.values(NIC).map(reg => [reg.name, [reg.offset, reg.access, reg.reset]]));
  expect(declared).toEqual(GOLDEN);
});

test('registers that exist more than once are where this says', () => {
  const repeated = Object.values(NIC).filter(reg => reg.count > 1);
  expect(Object.fromEntries(repeated.map(reg => [reg.name, [reg.count, reg.stride]]))).toEqual({
    RDBA: [4, 0x40],
    RDBAH: [4, 0x40],
    RDLEN: [4, 0x40],
    RDH: [4, 0x40],
    RDT: [4, 0x40],
    RDCTL: [4, 0x40],
    TDBA: [4, 0x40],
    TDBAH: [4, 0x40],
    TDLEN: [4, 0x40],
    TDH: [4, 0x40],
    TDT: [4, 0x40],
    TDCTL: [4, 0x40],
    QSR: [4, 0x20],
    QMS: [4, 0x20],
    QMC: [4, 0x20],
    QCS: [4, 0x20],
    ITR: [5, 0x20],
    RETA: [32, 4],
    RSSK: [10, 4],
    MTADR: [5, 16],
    MTADRH: [5, 16],
    MTDATA: [5, 16],
    MTCTL: [5, 16],
    VFTA: [128, 4],
  });
});

test('interrupt causes sit in the same bits in ISR, IMS, IMC, ICS and in the engines', () => {
  const bits = { RX: 1, TX: 2, RXDU: 4, TXE: 8, OVW: 0x10, CNT: 0x20, RDC: 0x40, RST: 0x80, LSC: 0x100, DMAE: 0x200 };
  for (const reg of [NIC.ISR, NIC.IMS, NIC.IMC, NIC.ICS]) {
    expect(Object.fromEntries(reg.fields.map(field => [field.name, field.mask]))).toEqual(bits);
  }
  const engines = Object.entries(cause).filter(([name]) => name.startsWith('CAUSE_'));
  expect(Object.fromEntries(engines.map(([name, bit]) => [name.slice(6), bit]))).toEqual(bits);
});

test('fields that a driver cannot do without are where this says', () => {
  expect([NIC.CTRL.RST.mask, NIC.CTRL.RXE.mask, NIC.CTRL.TXE.mask, NIC.CTRL.PIO.mask]).toEqual([1, 2, 4, 8]);
  expect([NIC.STATUS.RDY.mask, NIC.STATUS.LU.mask, NIC.STATUS.TXB.mask]).toEqual([1, 2, 0x10]);
  expect([NIC.RDCTL.EN.mask, NIC.RDCTL.DROP.mask, NIC.RDCTL.BSIZE.lsb]).toEqual([1, 2, 16]);
  expect([NIC.PTX.GO.mask, NIC.EERD.DONE.mask]).toEqual([0x80000000, 2]);
  expect([RXD.bytes, RXD.LEN.offset, RXD.STATUS.offset, RXD.STATUS.DD.mask]).toEqual([16, 8, 12, 1]);
  expect([RXD.STATUS.CRC.mask, RXD.STATUS.TRUNC.mask]).toEqual([0x100, 0x800]);
  expect([TXD.bytes, TXD.LEN.offset, TXD.STATUS.offset]).toEqual([16, 8, 12]);
  expect([TXD.STATUS.EOP.mask, TXD.STATUS.RS.mask, TXD.STATUS.DD.mask, TXD.STATUS.ERR.mask]).toEqual([1, 2, 256, 512]);
  expect([TXD.STATUS.CTX.mask, TXD.STATUS.VLE.mask, TXC.STATUS.CTX.mask]).toEqual([4, 8, 4]);
  expect([TXC.STATUS.L4CS.mask, TXC.STATUS.IPCS.mask, TXC.STATUS.TSO.mask]).toEqual([0x10000, 0x20000, 0x40000]);
  expect(TXC.OFFSETS.fields.map(field => [field.name, field.lsb, field.width])).toEqual([
    ['L4', 0, 8],
    ['CSO', 8, 8],
    ['IP', 16, 8],
    ['HDR', 24, 8],
  ]);
  const { VP, TS, HTYPE, IPC, IPE, L4C, L4E } = RXD.STATUS;
  expect([VP, TS, HTYPE, IPC, IPE, L4C, L4E].map(field => field.lsb)).toEqual([4, 5, 12, 16, 17, 18, 19]);
  expect([NIC.RDCTL.HOLD.mask, NIC.TCR.LB.mask, NIC.MDIC.READY.mask]).toEqual([4, 4, 0x10000000]);
  expect([PAGE_HEADER.NEXT.offset, PAGE_HEADER.LEN_LO.offset, PAGE_HEADER.LEN_HI.offset]).toEqual([1, 2, 3]);
});

test('PCI identity', () => {
  const { identity } = new Bench().nic;
  expect([NIC_VENDOR_ID, NIC_DEVICE_ID, NIC_BAR_SIZE]).toEqual([0x1234, 0x5249, 0x1000]);
  expect(identity).toEqual({
    vendor: 0x1234,
    device: 0x5249,
    revision: 1,
    classCode: 0x020000,
    bars: [{ kind: 'memory', size: 0x1000 }],
    powerManagement: true,
    functionReset: true,
    messages: { vectors: 5, bar: 0, table: 0x600, pending: 0x680 },
  });
});
