import { testDamageOf } from './damage-scan.js';

testDamageOf('lz4');
