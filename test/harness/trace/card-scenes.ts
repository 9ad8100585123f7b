/** Scenes of the card: its own stages, and each of its reasons to drop a frame. */
import { TXC, TXD } from '../../../device/regs/desc.ts';
import { NIC } from '../../../device/regs/nic.ts';
import { Bench, frame, TX_BUFFERS } from '../../device/bench.ts';
import { type Scene, type Shown, scene, watchCard } from './scenes.ts';

const RXE = NIC.CTRL.RXE.mask;
const TXE = NIC.CTRL.TXE.mask;
const EOP = TXD.STATUS.EOP.mask;
const STRANGER = Uint8Array.of(2, 0, 0, 0, 0, 0x77);

/** A card alone, receiving. */
function receiving(options: ConstructorParameters<typeof Bench>[0] = {}, rcr = 0): { bench: Bench; shown: Set<Shown> } {
  const bench = new Bench(options);
  const shown = watchCard(bench);
  bench.start(RXE | TXE, rcr);
  return { bench, shown };
}

const received = (name: string, reason: string, act: (bench: Bench) => void, stage: string): Scene =>
  scene(name, [`${stage} ${reason}`], () => {
    const { bench, shown } = receiving();
    act(bench);
    return shown;
  });

/** One descriptor with something wrong. */
const sent = (name: string, reason: string, act: (bench: Bench) => void, stage = 'tx_gather'): Scene =>
  scene(name, [`${stage} ${reason}`], () => {
    const { bench, shown } = receiving();
    bench.txRing(8);
    act(bench);
    return shown;
  });

function ringed(act: (bench: Bench) => void): (bench: Bench) => void {
  return bench => {
    bench.rxRing(8, 7);
    act(bench);
  };
}

function pauseFrame(): Uint8Array {
  const bytes = new Uint8Array(60);
  bytes.set([1, 0x80, 0xc2, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x88, 8, 0, 1, 0, 9]);
  return bytes;
}

export const CARD_SCENES: readonly Scene[] = [
  received(
    'a frame with a wrong FCS',
    'crc',
    ringed(b => b.receive(frame(60), 0x1234)),
    'frame_arrived',
  ),
  received(
    'a frame with dribble bits and a wrong FCS',
    'alignment',
    ringed(b => b.nic.receiveErrored(frame(60), 0, 60, 0x1234, 0, 1)),
    'frame_arrived',
  ),
  received(
    'a frame of 40 bytes',
    'runt',
    ringed(b => b.receive(frame(40))),
    'frame_arrived',
  ),
  received(
    'a frame of 1600 bytes',
    'giant',
    ringed(b => b.receive(frame(1600))),
    'frame_arrived',
  ),
  received(
    'a pause frame',
    'pause',
    b => {
      b.write(NIC.FCCR, NIC.FCCR.RPE.mask);
      b.receive(pauseFrame());
    },
    'frame_arrived',
  ),
  received(
    'the receiver off',
    'rx_off',
    b => {
      b.write(NIC.CTRL, 0);
      b.receive(frame(60));
    },
    'frame_arrived',
  ),
  received(
    'no link',
    'link_down',
    b => {
      b.nic.setLink(false);
      b.receive(frame(60));
    },
    'frame_arrived',
  ),
  received(
    'loopback on, a frame from the wire',
    'loopback',
    b => {
      b.write(NIC.TCR, NIC.TCR.LB.mask);
      b.receive(frame(60));
    },
    'frame_arrived',
  ),
  received(
    'a frame for another station',
    'filtered',
    ringed(b => b.receive(frame(60, 0, STRANGER))),
    'rx_filter',
  ),
  received(
    'packet memory full',
    'ring_full',
    b => {
      for (let i = 0; i < 20; i++) b.receive(frame(1514));
    },
    'rx_stored',
  ),
  received(
    'the receiver switched off and on with frames unread',
    'ring_emptied',
    b => {
      b.receive(frame(60));
      b.write(NIC.CTRL, 0);
      b.write(NIC.CTRL, RXE);
    },
    'rx_stored',
  ),
  received(
    'a reset with frames unread',
    'reset',
    b => {
      b.receive(frame(60));
      b.write(NIC.CTRL, NIC.CTRL.RST.mask);
    },
    'rx_stored',
  ),
  received(
    'a queue that drops, without descriptors',
    'no_descriptor',
    b => {
      b.rxRing(8, 0, 2048, NIC.RDCTL.DROP.mask);
      b.receive(frame(60));
    },
    'rx_dma',
  ),
  received(
    'a descriptor with an address that is not mapped',
    'dma_fault',
    ringed(b => {
      b.rxDescriptor(0, 0x10);
      b.receive(frame(60));
    }),
    'rx_dma',
  ),
  sent('a descriptor to an address that is not mapped', 'dma_fault', b => {
    b.txDescriptor(0, 0x10, 60, EOP);
    b.write(NIC.TDT, 1);
  }),
  sent('a descriptor of length 0', 'bad_descriptor', b => {
    b.txDescriptor(0, TX_BUFFERS, 0, EOP);
    b.write(NIC.TDT, 1);
  }),
  sent('a descriptor longer than the transmit pages', 'too_long', b => {
    b.txDescriptor(0, TX_BUFFERS, 0xffff, EOP);
    b.write(NIC.TDT, 1);
  }),
  sent('a frame of 13 bytes', 'too_short', b => {
    b.txDescriptor(0, TX_BUFFERS, 13, EOP);
    b.write(NIC.TDT, 1);
  }),
  sent('half a frame, the transmit pages moved', 'no_pages', b => {
    b.txDescriptor(0, TX_BUFFERS, 600, 0);
    b.write(NIC.TDT, 1);
    b.write(NIC.TPSR, 0x43);
    b.txDescriptor(1, TX_BUFFERS, 60, EOP);
    b.write(NIC.TDT, 2);
  }),
  sent('half a frame, the queue off', 'queue_off', b => {
    b.txDescriptor(0, TX_BUFFERS, 600, 0);
    b.write(NIC.TDT, 1);
    b.write(NIC.TDCTL, 0);
    b.write(NIC.TDT, 0);
    b.write(NIC.TDCTL, 1);
  }),
  sent('a checksum to be put behind the end', 'bad_offload', b => {
    b.txContext(0, 200, 0, TXC.STATUS.CTX.mask | TXC.STATUS.L4CS.mask);
    b.txDescriptor(1, TX_BUFFERS, 100, EOP);
    b.write(NIC.TDT, 2);
  }),
  sent(
    'a frame sent without a link',
    'link_down',
    b => {
      b.nic.setLink(false);
      b.txFrame(0, frame(60));
      b.nic.advance(b.nic.time + 1e6);
    },
    'tx_start',
  ),
  scene('a reset with a frame on the wire', ['tx_start reset'], () => {
    const { bench, shown } = receiving({ rate: 1e7 });
    bench.txRing(8);
    bench.txFrame(0, frame(1000));
    bench.nic.advance(bench.nic.time + 10_000);
    bench.write(NIC.CTRL, NIC.CTRL.RST.mask);
    return shown;
  }),
  scene('a vector raised with messages on', ['message'], () => {
    const { bench, shown } = receiving();
    const put = (reg: { readonly offset: number }, value: number): void => bench.nic.write(0, reg.offset, 32, value);
    put(NIC.MTDATA, 0xcafe);
    put(NIC.QMS, 1);
    put(NIC.QCS, 1);
    bench.nic.setMessages(true, false);
    put(NIC.MTCTL, 0);
    return shown;
  }),
];
