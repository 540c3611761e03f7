import { testDamageOf } from './damage-scan.js';

/**
 * The lowest bit of the LZMA properties 0x5d, which makes 2 of 3 literal context bits, changes nothing in a block that has
 * hardly any literals. The stored bytes of an xz block have no CRC but that of their plaintext.
 */
testDamageOf('xz', (bytes, at, bit) => bytes[at] === 0x5d && bit === 0);
