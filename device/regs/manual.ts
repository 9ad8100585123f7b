/**
 * The datasheet's prose: what cannot be said register by register. `{{name}}` is where the generator (harness/docs)
 * puts a table made from the declarations. Sections are numbered by hand, because rules and comments cite them; a
 * test checks that every section that is cited exists.
 */
export const MANUAL = `# Ringside Ethernet card: datasheet

## 1 Overview

The card is a full-duplex Ethernet controller with packet memory of its own and a bus-mastering engine. It is an
emulated device: there is no silicon, and this document is its definition. Everything a driver needs is here.

- 4 to 48 KiB of packet memory in pages of 256 bytes; received frames queue in a ring of pages, as on the DP8390.
- Two ways to move frames, chosen by a mode bit: **descriptor rings** in host memory, served by DMA, or
  **programmed I/O** through a data port.
- Address filter: station, broadcast, 64-bit multicast hash, all multicast, promiscuous. FCS made and checked.
- Four queue pairs: received frames are spread over them by a hash (RSS), sent ones taken in turn.
- One level-triggered interrupt with status, mask set, mask clear and cause set; or a message for each queue pair and one
  for the rest. Moderation by time and count; sent frames can be told of together with received ones.
- Checksums checked and made, TCP segmentation, VLAN tags inserted, stripped and filtered, time stamps, pause frames.
- A counter for every way in which a frame can get lost; the counters add up (§9.2).

\`\`\`
              +---------------------------------------------------------------+
   wire  ---> | MAC: link, length, filter, FCS --> page ring --> RX engine ---|--> host memory
              |                                       ^  |                    |    (receive buffers)
              |                            remote DMA |  v                    |
   host  <--->| registers, data port <--------------- packet memory           |
              |                                       |  ^                    |
   wire  <--- | MAC: padding, FCS <-------- transmit pages <-- TX engine <----|--- host memory
              |                                                               |    (transmit buffers)
   INTx  <--- | ISR & mask                                                    |
              +---------------------------------------------------------------+
\`\`\`

Numbers with a trailing h are hexadecimal. "Host" is the computer and its driver. Frame lengths are in bytes and do not
count the four bytes of FCS unless that is said. Multi-byte values in memory are little-endian.

## 2 Theory of operation

### 2.1 Packet memory and the page ring

Packet memory begins at card address 4000h, page 40h; a page number is a card address divided by 256. PMSZ tells how
many pages there are. By default pages 40h–45h hold the frame being sent (TPSR), and the pages from PSTART (46h) up to,
not including, PSTOP (the end of memory) are the receive ring.

A received frame starts on a new page with a 4-byte page header (§12), then the frame, then its four bytes of FCS, low
byte first. It takes ⌈(length + 8) / 256⌉ pages. After the last page of the ring comes the first: a frame may begin at the
end of the ring and go on at PSTART.

\`\`\`
   PSTART 46h                                         PSTOP 50h
     | 46   47 | 48   49   4A | 4B | 4C   4D   4E   4F |
     |  free   |   frame A    | B  |       free        |
            ^                        ^
            BNRY = 47h               CURR = 4Ch: the card writes here next
            (A, at the page after it, is the oldest unread frame)

   header of A: NEXT = 4Bh; of B: NEXT = 4Ch = CURR. Free: (47h - 4Ch) mod 10 = 5 pages, 4Ch-4Fh and 46h.
\`\`\`

- **CURR** is the page where the card writes next. Only the card moves it.
- **BNRY** is the last page that was given back: the oldest unread frame starts at the page after it.
- **Empty**: the page after BNRY is CURR.
- **Free** are the pages from CURR up to, not including, BNRY: (BNRY − CURR) mod N of the N = PSTOP − PSTART pages. A
  frame that needs more is refused: counted in MPC, ISR.OVW. So at most N − 1 pages hold frames (nine of ten with
  4 KiB), and nothing unread is ever overwritten.
- The header's NEXT is the page where the next frame starts, once there is one.

The FCS of a frame is in the ring for as long as the frame is unread. The bytes of pages that were given back are
undefined.

### 2.2 Two modes

CTRL.PIO chooses who reads the ring. It may change only while CTRL.RXE is 0.

| | descriptor mode (PIO = 0) | programmed I/O (PIO = 1) |
| --- | --- | --- |
| received frames | the RX engine moves them to host buffers | the host reads them at the data port |
| BNRY | moved by the RX engine, read-only to the host | written by the host |
| ISR.RX | a descriptor is done | a frame is in the ring |
| sending | transmit descriptors | data port, then PTX |
| descriptor rings | served | stand still |

The data port works in both modes.

### 2.3 Ring registers

PSTART and PSTOP may change only while CTRL.RXE is 0. CTRL.RXE 0→1 looks at them: 40h ≤ PSTART, PSTOP ≤ end of packet
memory, PSTOP − PSTART ≥ 2. It then sets CURR to PSTART and BNRY to PSTOP − 1; frames that were unread are lost and
counted in RXDISC. If the two are no ring, the receiver is on but refuses every frame as if the ring were full.

In programmed I/O the host writes BNRY: the page before the next unread frame (NEXT − 1; PSTOP − 1 when NEXT is
PSTART). A value outside the ring is ignored. A value that is not between the old BNRY and CURR − 1 is taken as it is:
the pages from the one after it up to CURR then count as unread, and the card may find no room until BNRY is right.

The card keeps the lengths of unread frames itself: a host that overwrites page headers confuses only itself.

### 2.4 Descriptor rings

A ring is an array of 16-byte descriptors (§12) in host memory, at a base address that is a multiple of 16. The card owns
the descriptors from head up to, not including, tail, modulo the ring's length; head = tail means that it owns none, so
one descriptor always stays unused. The host moves the tail (the doorbell), the card moves the head.

Base, length and RDCTL.BSIZE may change only while the queue is off (EN = 0). EN 0→1 checks them: 2 to 4096
descriptors, BSIZE not 0, no descriptor beyond address FFFFFFFFh; otherwise the queue stays off. It sets the head to 0. A tail
may be written before that.

The card reads a descriptor when its turn comes, never earlier. The host must have written it before the doorbell.
Descriptor addresses are 32 bits; ADDR_HI must be 0. Address 0 is never a buffer: since write-back clears ADDR, it
means that a descriptor was given again without a new buffer.

### 2.5 Bus mastering

The card reads and writes host memory at I/O addresses. When an access faults, ISR.DMAE is set and:

- receive (descriptor, buffer or write-back): the frame is lost and counted in RXDMAE. The descriptor stays the card's and the
  head where it is; the next frame tries it again.
- transmit buffer: the frame is discarded (DD with ERR, TXERR).
- transmit descriptor: the card cannot tell where the frame ends. It stops; the next write to TDT tries again.
- transmit write-back: the frame has left; only DD is missing.

## 3 Finding and addressing the card

### 3.1 PCI identity

{{identity}}

Configuration space has a PCI 2.3 header and three capabilities: **power management** (D0 and D3hot; in D3hot the card
answers only to configuration accesses, and the way back to D0 resets it), **MSI-X** (five vectors, §7.4; table and pending bits in
BAR 0) and **Advanced Features** with the function reset (§4.2). The command register's INTx Disable bit keeps the pin low.

### 3.2 Register access

Registers are 32 bits wide and are read and written as aligned 32-bit words, DATA also as 8 and 16 bits. Reserved bits
read as 0 and are written as 0. What else a driver may do, and what then happens:

| access | read | write |
| --- | --- | --- |
| ro | value | lost, violation |
| rw | what was written | taken; fields that only the card sets are ignored |
| w1c | value | 1 clears a bit, 0 leaves it |
| w1s | value | 1 sets a bit, 0 leaves it |
| wo | 0, violation | taken |
| rc | value, then 0 | lost, violation |
| no register there | all-ones, violation | lost, violation |
| unaligned, or a width that the register has not | all-ones of that width, violation | lost, violation |

A violation is a record that the machine keeps about the driver; it has no effect on the card. §13 lists them all.

## 4 Start and stop

### 4.1 Initialisation sequence

1. Enable memory access and bus mastering in PCI configuration space. Read ID; any other value than its reset value: no card.
2. Write CTRL.RST. Poll STATUS until RDY is 1 (§4.2). Write FFFFFFFFh to IMC first if the card may have been in use.
3. Read the station address from the EEPROM (§4.3); write MAC0 and MAC1.
4. Write 1s to ISR to clear what is set (RST is).
5. Receive ring (§5.3): write descriptors with a buffer each; write RDBA, RDLEN; then RDCTL with EN and BSIZE; then RDT =
   number of descriptors given (at most RDLEN − 1).
6. Transmit ring: write TDBA, TDLEN, TDT = 0; then TDCTL.EN.
7. Write RCR (at least AB), TCR (PAD), MAR0 and MAR1 as wanted; PSTART, PSTOP and TPSR if not the defaults.
8. Install the interrupt handler. Write IMS.
9. Write CTRL with RXE and TXE (and PIO for programmed I/O, without steps 5 and 6).
10. Read STATUS.LU: the link may have been up all the time, and then no LSC will come.

### 4.2 Reset

CTRL.RST, or a PCI function reset, takes about 10 µs. From its beginning

- STATUS.RDY is 0 and CTRL reads 1 (RST). ISR reads 0, every other register its reset value;
- writes are lost; frames that arrive are lost, and counted in RXOFF;
- what the card was doing has stopped: no bus-master access, no frame on the wire, the interrupt pin is low.

At its end RDY is 1, RST is 0 and ISR.RST is set. Unread frames are lost. Packet memory keeps its bytes, the link its
state. After power-on the card is as after a completed reset.

A function reset (Advanced Features, FLR) also puts the message table and the writable parts of configuration space back: BARs
have to be assigned and bus mastering enabled again. CTRL.RST leaves both.

### 4.3 EEPROM

64 words of 16 bits. Words 0–2 hold the station address: word 0 has byte 0 of the address (first on the wire) in bits
7:0 and byte 1 in bits 15:8, and so on. All 64 words add up to BABAh modulo 10000h. To read a word: write EERD with START
and ADDR; poll until DONE is 1 (about 20 µs); DATA is the word. One read at a time.

### 4.4 Link

STATUS.LU tells whether the link is up, SPEED and FD how fast. A change raises ISR.LSC. While the link is down, frames
that are sent take their time and are gone (TXLOST), and nothing is received. A cable that is pulled takes the link down at once;
one that is plugged in brings it up after autonegotiation (50 µs: a real one takes seconds).

In loopback (TCR.LB in the MAC, BMCR bit 14 in the PHY) what is sent comes back to the receiver, FCS and all, with the link up
or down. Nothing reaches the wire, and what comes from it is lost (RXOFF).

### 4.5 Stopping

1. Write all-ones to IMC.
2. Clear CTRL.RXE and CTRL.TXE, RDCTL.EN and TDCTL.EN. The frame that the RX engine is moving and the frame that is being
   sent still finish, write-back included.
3. Wait until STATUS.TXB is 0, and at least 10 µs for the RX engine; or write CTRL.RST, after which nothing is touched.
4. Now buffers and rings may be freed.

### 4.6 MDIO and the PHY

Write MDIC; poll until READY is 1 (25.6 µs). The PHY has address 1 and these registers of IEEE 802.3 clause 22:

| register | name | bits |
| --- | --- | --- |
| 0 | BMCR | 15 reset, 14 loopback, 13 and 6 speed (00: 10, 01 in 6,13: 100, 10: 1000 Mbit/s), 12 autonegotiation, 11 power down, 10 isolate, 9 restart, 8 full duplex; 1140h after power-on |
| 1 | BMSR | 7949h, with 5 negotiation complete and 2 link (stays 0 after a loss until it was read) |
| 2, 3 | PHYID | 5249h, 0010h |
| 4 | ANAR | what is advertised: 10 and 100 Mbit/s, pause; 05E1h after power-on |
| 5 | ANLPAR | what the partner advertises, once negotiation is complete |
| 6 | ANER | 0: the partner negotiates |
| 9, 10 | GBCR, GBSR | the same for 1000 Mbit/s: bit 9 advertises full duplex, bit 11 of GBSR is the partner's |
| 15 | ESTATUS | 2000h |

The partner has one speed, that of the wire (1000 for everything above 100 and for an instant wire), at full duplex. The link comes up if
that speed is advertised, or, without autonegotiation, forced with full duplex. Reset, restart, and a change of any bit of BMCR but
loopback take the link down and negotiate anew (50 µs). CTRL.RST leaves the PHY alone.

## 5 Receiving

### 5.1 What the MAC checks

When the last bit of a frame has arrived, in this order:

1. Receiver off or link down: gone (RXOFF).
2. Longer than MAXLEN, or than 9216 bytes, four more with a VLAN tag: a giant, gone (GIANT).
3. Shorter than 60 bytes: a runt, counted (RUNT); gone unless RCR.AR and at least 14 bytes.
4. The address filter (§5.2) or the VLAN filter (§5.5) rejects it: gone (FILT). Before them, with FCCR.RPE: a pause frame with a right
   FCS is honoured (§6.5) and gone (PRXC).
5. Wrong FCS: counted, in ALGNERR if the frame did not end on a byte boundary, otherwise in CRCERR; gone unless RCR.SEP. Dribble
   bits after a right FCS are no error.
6. No room in the page ring: gone (MPC), ISR.OVW.
7. Stored (GPRC and GORC; BPRC if it is a runt or has a wrong FCS). What is in GPRC and longer than 1518 bytes is in JRC too.

A frame is counted once: by the first of RUNT, FILT, ALGNERR, CRCERR, MPC that applies.

### 5.2 Address filter

| destination | accepted with |
| --- | --- |
| the station address (MAC0, MAC1) | always |
| another unicast address | PRO |
| FF:FF:FF:FF:FF:FF | AB, PRO |
| another address with bit 0 of byte 0 set | AMA, PRO, or AM and the address's bit in the hash table |

The hash index is the upper six bits of the CRC-32 register after the six bytes of the address (polynomial 04C11DB7h, least
significant bit of each byte first, start value FFFFFFFFh, no final complement), as on the DP8390: index 0–31 is a bit of
MAR0, 32–63 of MAR1. Linux: \`ether_crc(6, address) >> 26\`.

### 5.3 Receive sequence, descriptor mode

The card, for each frame in the page ring, in order:

1. reads the descriptor at RDH. None (RDH = RDT, or the queue is off): the frame stays in packet memory, STATUS.RXW is 1, and
   ISR.RXDU is set for every frame that has to wait. With RDCTL.DROP it is discarded instead (RNBC), and also without DROP when more
   than one receive queue is on and HOLD is 0: all queues share one page ring, and a frame that waits holds up every one behind it.
2. writes the frame to the buffer: at most BSIZE bytes, the rest is cut off (TRUNC); with RCR.KEEP the FCS follows the frame.
3. writes the descriptor back in one 16-byte write: ADDR 0 (or the time stamp), ADDR_HI the hash, LEN, VLAN, STATUS with DD and EOP.
4. moves RDH, gives the frame's pages back (BNRY), sets ISR.RX.

The driver, in its handler or poll:

1. looks at STATUS of its next descriptor. DD 0: done for now.
2. reads LEN and the error bits, takes the buffer, puts a new buffer's address into ADDR, writes 0 to ADDR_HI, LEN and STATUS.
3. after one or more frames writes RDT: the index after the last descriptor it has refilled. That doorbell also moves frames that
   wait.

Give a descriptor back only with a new buffer and STATUS 0, and never so many that RDT catches up with the descriptor the
driver looks at next: RDT = RDH means none, not all.

### 5.4 Receive sequence, programmed I/O

The data port: RSAR is the card address of the next byte, RBCR the number of bytes that may be moved. Each read or
write of DATA moves 1, 2 or 4 bytes (the width of the access), low byte first, adds to RSAR and takes from RBCR. When RSAR
reaches PSTOP it becomes PSTART. At RBCR 0 ISR.RDC is set and the port is dead. For a frame of odd length read the last
byte with an 8-bit access, or program RBCR one higher.

The driver, on ISR.RX:

1. Write 1 to ISR.RX first, then look.
2. page = BNRY + 1, or PSTART if that is PSTOP. If page = CURR the ring is empty: done.
3. RSAR = page × 256, RBCR = 4: read the page header. NEXT must lie in the ring and the length between 18 and MAXLEN + 4;
   otherwise something is very wrong: stop and start the receiver.
4. RSAR = page × 256 + 4, RBCR = length − 4 (leaving the FCS): read the frame. A frame that crosses PSTOP needs nothing special.
5. Give the pages back: BNRY = NEXT − 1, or PSTOP − 1 if NEXT is PSTART. Go to 2.

On ISR.OVW frames were lost, but those in the ring are intact: read on as above. There is nothing to restart.

### 5.5 VLAN tags

A tag is EtherType 8100h after the two addresses, and two bytes of TCI. With VLCR.FILTER a tagged frame is accepted only if the bit of
its VLAN id (TCI bits 11:0) is set in VFTA. With VLCR.STRIP, in descriptor mode, the four bytes do not go to the buffer: RXD.VLAN has the TCI,
STATUS.VP is 1 and LEN is four less. The page ring always holds the frame as it came.

### 5.6 Queues, hashes, checksums, time stamps

In descriptor mode the card looks into a frame while it arrives:

- **RSS.** With a bit of RSSC set, IPv4 and IPv6 frames (behind one VLAN tag, and behind hop-by-hop, routing and destination
  options) are hashed: Toeplitz, key RSSK, over source and destination address and, for TCP and UDP with their bit, source and destination port,
  in network order. Fragments have no ports. RETA[hash mod 128] is the queue. Everything else goes to queue 0. Frames keep their order
  within a queue; the receive engine moves them in order of arrival.
- **Checksums.** RXCSC.IP and L4. A wrong one is told in STATUS and counted (CSERR); the frame is delivered.
- **Time.** RXCSC.TS. TIMEL and TIMEH tell the upper bits: read them within four seconds.

A runt or a frame with a wrong FCS that is let in is looked at like any other.

## 6 Transmitting

### 6.1 Transmit pages

The frame being sent lies in packet memory from page TPSR up to PSTART, or up to the end of packet memory if TPSR is above
the ring. With the defaults that is 1536 bytes. There is one frame at a time in the transmit pages: the next one is
fetched when the last bit of the one before has left. A frame that does not fit, or is shorter than 14 bytes, is discarded.

With TCR.PAD frames shorter than 60 bytes are filled up with zeros; without it they leave as runts. The card appends
the FCS, unless TCR.CRCI is set: then the last four bytes of the frame are its FCS, low byte first, PAD has no effect, and the
frame has 18 bytes at least.

### 6.2 Transmit sequence, descriptors

The driver:

1. Checks that there are enough free descriptors: the ring is full when the index after TDT is the oldest not yet done.
2. Writes one descriptor for each piece: ADDR, LEN (1 to 65535), STATUS 0; on the last one EOP, and RS where it wants DD. Only descriptors with RS
   tell that they are done, together with all before them. IDE beside RS where ISR.TX may be late (§7.3).
3. Writes TDT: the index after the last one. Always after a whole frame.
4. On ISR.TX or ISR.TXE, or when it next sends: takes back everything up to the last descriptor with DD.

The card fetches descriptors from TDH on (TDH moves with each), gathers the pieces, waits for the gap, sends. When the last
bit has left it writes STATUS with DD (4 bytes) if RS asks for it and sets ISR.TX. A frame that it discards has DD and ERR
in its last descriptor, RS or not, and sets ISR.TXE. A tail in the middle of a frame makes the card wait for the rest.

### 6.3 Transmit sequence, programmed I/O

1. Wait until PTX.GO is 0.
2. RSAR = TPSR × 256, RBCR = length; write the frame to DATA.
3. Write PTX with GO and COUNT = length.
4. When the last bit has left, GO is 0 and ISR.TX is set; after an error (a COUNT below 14 or above the transmit pages) ISR.TXE.

Do not touch the transmit pages while GO is 1: what is written may be on the wire.

### 6.4 Offloads

A context descriptor (§12) before the first piece gives orders for the one frame that follows. Queues take turns frame by frame; a frame whose
end has not been given yet holds up the other queues.

- **Checksum**: L4CS puts the complement of the sum from L4 to the end of the frame at L4 + CSO. What is there before counts: the sum of the
  pseudo header, as Linux leaves it. IPCS makes the sum of the IPv4 header at IP. Padding comes after, and a tag is inserted after.
- **Segmentation**: TSO cuts the frame into segments of HDR bytes of headers and at most MSS of payload. The pieces stay in host memory
  until their bytes are needed; there is one segment at a time in the transmit pages. In each: IPv4 total length, identification (+1 each) and header
  sum, or IPv6 payload length; TCP sequence number, FIN and PSH only in the last, CWR only in the first; TCP checksum, made whole (the field's
  contents do not matter). At most 64 pieces and 65535 bytes of payload. DD comes after the last segment. A DMA fault ends the frame where it is:
  the segments before have left, DD and ERR are set.
- **VLAN**: TXD.STATUS.VLE in the first piece inserts a tag with the TCI in TXD.VLAN after the addresses; it needs four bytes more in the
  transmit pages.

### 6.5 Flow control

With FCCR.RPE a pause frame (type 8808h, opcode 1, to 01:80:C2:00:00:01 or the station address) makes the transmitter stand still
for its quanta from its arrival: a frame on the wire finishes, the next waits. A new pause frame replaces the old one; 0 ends it. On an instant
wire quanta take no time.

With FCCR.TPE the card sends one itself when free pages sink to XOFF (quanta PTIME, again after half of that time while frames still come)
and when they are back at XON (quanta 0). It goes out before the next frame, whatever queue has one.

## 7 Interrupts

### 7.1 Rules

- The pin is a level: asserted while (ISR & mask) ≠ 0. Nothing else changes it.
- ISR bits are set by events whatever the mask says, and are cleared only by writing 1 to them, or by reset. Reading
  clears nothing.
- IMS sets mask bits, IMC clears them, each without a read before: safe against an interrupt in between. Reading IMS gives the mask.
- ICS sets ISR bits, as if the event had happened.
- A bit that is cleared while its event happens again is set again: no event is lost, but several may be told as one.

### 7.2 Acknowledge first, then look

A driver that looks at the rings and clears ISR after it loses the event that came in between. The order that is free of races:

1. handler: read ISR; 0 under the mask: the interrupt is not this card's. Write IMC to mask receive and transmit causes, and schedule the poll.
2. poll: write 1 to the ISR bits that it serves, **then** work off the rings.
3. when the poll found no more work: write IMS, and **after** that look once more at the next descriptor (or read ISR; an event since step 2 has set
   its bit, and the level will fire by itself as soon as IMS is written).

Posted writes: a write to IMC or ISR need not have arrived when the handler returns. Read any register to be sure (§10).

### 7.3 Moderation and delay

ITR of a vector holds back the next interrupt until TIME has passed since the last one or COUNT causes have been raised since. An
interrupt that comes later than that is not delayed. Without messages ITR 0 moderates the pin: it goes up late, and goes down at once.

TIDV holds back a cause instead: that a frame was sent, if its last descriptor has IDE. Such a cause goes with the queue's next one, whatever it
is, so that one interrupt tells of both; it goes alone when TIDV's time is over. The descriptor is done (DD) at once: a driver that looks at its
ring meanwhile finds it.

### 7.4 Messages

With MSI-X enabled the pin stays low, and vector n (0 to 3) is told when (QSR n & mask n) goes from 0 to something; vector 4 when the same
happens to ISR & mask, for OVW, CNT, RDC, RST, LSC and DMAE alone. That is an edge: one message, until status or mask have brought it back to 0. So
a mask that is set while its cause is pending sends a message: acknowledge, work, unmask, and nothing is lost. A message that the table's mask or
the function's holds back waits in PBA.

The causes of a queue are in QSR n and in ISR; each is cleared where it is. A driver that uses messages looks only at QSR for its queues.

## 8 Timing

| what | time |
| --- | --- |
| reset | 10 µs |
| EEPROM read | 20 µs |
| MDIO access | 25.6 µs |
| autonegotiation | 50 µs |
| a frame on the wire | (8 preamble + length + 4 FCS) × 8 bit times |
| gap before the next one | 96 bit times |
| receive DMA of a frame | 200 ns + 0.25 ns × (bytes + 32) |
| gathering a frame to send | 200 ns × pieces + 0.25 ns × (bytes + 16 × pieces) |

Times are rounded up to whole ns for each frame. On an instant wire (STATUS.SPEED FFFFh) frames and DMA take no time, reset
and EEPROM as above. An embedder may set other figures. The card works off one received frame at a time; DD comes at the
end of its time, the payload before.

## 9 Statistics

### 9.1 Rules

Statistics registers are 32 bits, cleared by reading and by reset. They stick at FFFFFFFFh; ISR.CNT is set when one of them
reaches 80000000h, which leaves time to read it. Octet counters do not count the FCS.

### 9.2 The sums

Since the last reset, and if nothing was read in between, the frames that have arrived are

    RXOFF + GIANT + RUNT + PRXC + FILT + ALGNERR + CRCERR + MPC + GPRC

each in exactly one of them, by the order of §5.1. Stored are GPRC + BPRC (BPRC: runts and errored frames that RCR let in, which are already
counted above). In descriptor mode

    GPRC + BPRC = delivered (DD) + RNBC + RXDMAE + RXDISC + still in packet memory

Frames in loopback count among those that arrive. And the frames that the transmitter has taken are GPTC + TXLOST + TXERR + the one being
sent; of a TSO frame each segment that has left is one, and the frame one more if it ended with an error.

## 10 Hazards

- **Posted writes.** The bus may delay a register write until the next read of the card, or for about 1 µs. A driver that must know that
  a write has arrived reads a register. Order among writes is kept.
- **DD last.** The descriptor is written after the payload. Read the payload only after DD was seen as 1.
- **Reset and EEPROM take time**, and so does sending: poll RDY, DONE and GO with a limit.
- **All-ones.** After surprise removal every read gives FFFFFFFFh. ISR FFFFFFFFh means that the card is gone: do not loop on it.
- **DMA after "off".** Clearing RXE, TXE or EN lets the frame under way finish (§4.5): free buffers only after that.
- **One large frame.** With 4 KiB of packet memory the ring has nine usable pages and a frame of 1514 bytes takes six: there is room for
  one. A receiver that is not served within one frame time loses the next.
- **The level.** A cause that stays set and unmasked keeps the pin asserted: an unserved RXDU or CNT is an interrupt storm.
- **MAXLEN and BSIZE.** The card cuts a frame off at BSIZE; it never writes beyond a buffer of that size. With RCR.KEEP buffers need four more
  bytes.

## 11 Registers

Offsets are in BAR 0. Reserved bits are not listed.

{{registers}}

## 12 Layouts in memory

{{layouts}}

## 13 Violations

Misuse never stops the machine or harms memory that is not the driver's own. What the card does is defined here, and leaves a record with
the rule's name, the register's offset (−1 for a descriptor), the value and the time.

{{rules}}
`;
