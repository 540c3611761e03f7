import { testDamageOf } from './damage-scan.js';

testDamageOf('xz');
