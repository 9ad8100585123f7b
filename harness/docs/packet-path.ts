/** docs/packet-path.md, out of the registry of stages: where each is, what it is called, how packets end in it. */
import { COMPLETE, SECTIONS, type Section, STAGES } from '../trace/stages.ts';

const INTRO = `<!-- Generated from harness/trace/stages-*.ts by npm run generate: do not edit. -->

# The packet's way

Every stage below is a place in the code, by its Linux name, with a tracepoint: \`ringside trace\` names it for each packet
that passes, with time, CPU, lane, parent and length, and says of each drop in which stage and by which function it was
made. Stages of the card have names of their own. "Ends here" are the reasons by which a packet can end in a stage:
\`SKB_DROP_REASON_…\` of Linux without its prefix, the card's in small letters.

In the sections marked with ● each stage is seen, and each reason ends a packet, in a scene of
[test/harness/trace/](../test/harness/trace/stages.test.ts); a stage or a reason without one fails the tests, and so does
a drop without a reason (\`NOT_SPECIFIED\`) in any run that looks for leaks at its end.
`;

/** A path as a link from docs/. */
const link = (path: string): string => `[${path.replace(/^.*\/(?=[^/]+\/[^/]+$)/, '')}](../${path})`;

function section(number: Section): string {
  const rows = STAGES.filter(stage => stage.section === number).map(stage => {
    const { name, lane, what, aliases = [], drops, file, test } = stage;
    const names = [`\`${name}\``, ...aliases.map(alias => `(${alias})`)].join(' ');
    const ends = typeof drops === 'string' ? `never: ${drops}` : drops.map(reason => `\`${reason}\``).join(', ');
    return `| ${names} | ${lane} | ${what} | ${ends} | ${link(file)} | ${link(test)} |`;
  });
  const mark = COMPLETE.has(number) ? ' ●' : '';
  const heading = number === 7 ? '6, lower half' : number === 6 ? '6, upper half' : String(number);
  return [
    `## ${heading}. ${SECTIONS[number]}${mark}`,
    '',
    '| stage | lane | what happens | ends here | source | test |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

export function packetPath(): string {
  return `${INTRO}\n${([0, 1, 2, 3, 4, 5, 6, 7] as const).map(section).join('\n')}`;
}
